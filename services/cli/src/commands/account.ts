import { formatUsd } from '@tunan/kernel';
import { onOrOff, required, segment, wholeNumber, type Command } from '../command.js';
import { UsageError } from '../errors.js';
import { list } from '../table.js';

interface Created {
  readonly accountId: string;
  readonly keyId: string;
  readonly apiKey: string;
  readonly opened: boolean;
}

interface Account {
  readonly accountId: string;
  readonly email: string;
  readonly displayName: string;
  readonly status: string;
  readonly tier: string;
  readonly limits: Readonly<Record<'rpm' | 'tpm' | 'concurrency', number | null>>;
  readonly aliases: boolean;
  readonly balanceNano: string;
  readonly spentNano: string;
  readonly requestCount: number;
  readonly createdAt: string;
}

const NOT_OPENED =
  'The account exists, but its credit is not booked yet: billing did not answer. It follows by itself.';

export const accountCreate: Command = {
  name: 'account create',
  help: 'make an account with one key, which is shown this once',
  options: {
    email: { value: 'E', help: 'e-mail address of the account', required: true },
    name: { value: 'NAME', help: 'display name' },
    credit: { value: 'USD', help: 'opening credit instead of the sign-up grant; 0 for none' },
    rpm: { value: 'N', help: 'requests per minute instead of those of the tier' },
    tpm: { value: 'N', help: 'tokens per minute, likewise' },
    concurrency: { value: 'N', help: 'requests at the same time, likewise' },
  },
  async run(client, values) {
    const created = await client.post<Created>('/accounts', {
      email: required(values, 'email'),
      displayName: values['name'],
      creditUsd: values['credit'],
      rpm: wholeNumber(values, 'rpm'),
      tpm: wholeNumber(values, 'tpm'),
      concurrency: wholeNumber(values, 'concurrency'),
    });
    const { accountId, apiKey, keyId, opened } = created;
    return {
      json: { accountId, apiKey, keyId },
      text: list([
        ['account', accountId],
        ['API key', apiKey],
        ['key id', keyId],
      ]),
      ...(opened ? {} : { warning: NOT_OPENED }),
    };
  },
};

const limitsText = ({ limits, tier }: Account): string =>
  (['rpm', 'tpm', 'concurrency'] as const)
    .map((name) => `${name} ${limits[name] ?? `as tier ${tier}`}`)
    .join(', ');

export const accountShow: Command = {
  name: 'account show',
  help: 'show an account by id or e-mail address',
  options: {
    account: { value: 'ID', help: 'account id' },
    email: { value: 'E', help: 'or its e-mail address' },
  },
  async run(client, values) {
    const { account: id, email } = values;
    if ((id === undefined) === (email === undefined))
      throw new UsageError('Give either --account or --email.');
    const account =
      id === undefined
        ? await client.get<Account>('/accounts', { email: email! })
        : await client.get<Account>(`/accounts/${segment(id)}`);
    return {
      json: account,
      text: list([
        ['account', account.accountId],
        ['e-mail', account.email],
        ['name', account.displayName],
        ['status', account.status],
        ['tier', account.tier],
        ['limits', limitsText(account)],
        ['aliases', account.aliases ? 'on' : 'off'],
        ['balance', `$${formatUsd(BigInt(account.balanceNano))}`],
        ['spent', `$${formatUsd(BigInt(account.spentNano))}`],
        ['requests', String(account.requestCount)],
        ['created', account.createdAt],
      ]),
    };
  },
};

export const accountSet: Command = {
  name: 'account set',
  help: 'change what all keys of an account may do; in force within two minutes',
  options: {
    account: { value: 'ID', help: 'account id', required: true },
    aliases: {
      value: 'on|off',
      help: 'whether they may name models by their aliases; on leaves it to each key',
      required: true,
    },
  },
  async run(client, values) {
    required(values, 'aliases');
    const account = await client.patch<Account>(`/accounts/${segment(required(values, 'account'))}`, {
      aliases: onOrOff(values, 'aliases'),
    });
    return {
      json: account,
      text: `${account.accountId}: aliases are ${account.aliases ? 'on' : 'off'}.`,
    };
  },
};
