import { formatUsd } from '@tunan/kernel';
import { onOrOff, required, segment, wholeNumber, type Command } from '../command.js';
import { list, table } from '../table.js';

interface Key {
  readonly keyId: string;
  readonly name: string;
  readonly hint: string;
  readonly status: string;
  readonly models: readonly string[] | null;
  readonly aliases: boolean;
  readonly capNano: string | null;
  readonly spentNano: string;
  readonly expiresAt: string | null;
  readonly createdAt: string;
}

const account = { value: 'ID', help: 'account id', required: true };

export const keyCreate: Command = {
  name: 'key create',
  help: 'make another key, which is shown this once',
  options: {
    account,
    name: { value: 'NAME', help: 'what it is for' },
    cap: { value: 'USD', help: 'most that it may ever spend' },
    models: { value: 'A,B', help: 'model ids that it may use, separated by commas; all if not given' },
    aliases: {
      value: 'on|off',
      help: 'whether it may name models by their aliases (gpt-4o); on if not given',
    },
    rpm: { value: 'N', help: 'requests per minute, below those of the account' },
    tpm: { value: 'N', help: 'tokens per minute, likewise' },
    concurrency: { value: 'N', help: 'requests at the same time, likewise' },
    expires: { value: 'TIME', help: 'when it stops to work, as in 2027-01-31T00:00:00Z' },
  },
  async run(client, values) {
    const created = await client.post<{ keyId: string; apiKey: string }>(
      `/accounts/${segment(required(values, 'account'))}/keys`,
      {
        name: values['name'],
        capUsd: values['cap'],
        models: values['models']?.split(',').map((model) => model.trim()),
        aliases: onOrOff(values, 'aliases'),
        rpm: wholeNumber(values, 'rpm'),
        tpm: wholeNumber(values, 'tpm'),
        concurrency: wholeNumber(values, 'concurrency'),
        expiresAt: values['expires'],
      },
    );
    const { keyId, apiKey } = created;
    return {
      json: { keyId, apiKey },
      text: list([
        ['API key', apiKey],
        ['key id', keyId],
      ]),
    };
  },
};

export const keyList: Command = {
  name: 'key list',
  help: 'list the keys of an account',
  options: { account },
  async run(client, values) {
    const { keys } = await client.get<{ keys: readonly Key[] }>(
      `/accounts/${segment(required(values, 'account'))}/keys`,
    );
    const usd = (nano: string | null) => (nano === null ? '-' : `$${formatUsd(BigInt(nano))}`);
    const rows = keys.map((key) => [
      key.keyId,
      key.hint,
      key.status,
      key.name,
      usd(key.spentNano),
      usd(key.capNano),
      key.models?.join(',') ?? 'all',
      key.aliases ? 'on' : 'off',
      key.expiresAt ?? '-',
      key.createdAt,
    ]);
    const head = ['KEY', 'HINT', 'STATUS', 'NAME', 'SPENT', 'CAP', 'MODELS', 'ALIASES', 'EXPIRES', 'CREATED'];
    return { json: { keys }, text: table(head, rows, ['SPENT', 'CAP']) };
  },
};

export const keySet: Command = {
  name: 'key set',
  help: 'change what a key may do; in force within two minutes',
  options: {
    key: { value: 'ID', help: 'key id (not the key)', required: true },
    aliases: { value: 'on|off', help: 'whether it may name models by their aliases', required: true },
  },
  async run(client, values) {
    required(values, 'aliases');
    const key = await client.patch<Key>(`/keys/${segment(required(values, 'key'))}`, {
      aliases: onOrOff(values, 'aliases'),
    });
    return { json: key, text: `${key.keyId}: aliases are ${key.aliases ? 'on' : 'off'}.` };
  },
};

const NOT_EFFECTIVE =
  'The key is revoked, but the running platform does not know it yet. It follows within seconds; run this again to check.';

export const keyRevoke: Command = {
  name: 'key revoke',
  help: 'revoke a key for good',
  options: { key: { value: 'ID', help: 'key id (not the key)', required: true } },
  async run(client, values) {
    const revoked = await client.post<{ keyId: string; revokedAt: string; effective: boolean }>(
      `/keys/${segment(required(values, 'key'))}/revoke`,
      {},
    );
    return {
      json: revoked,
      text: `${revoked.keyId} is revoked since ${revoked.revokedAt}.`,
      ...(revoked.effective ? {} : { warning: NOT_EFFECTIVE }),
    };
  },
};
