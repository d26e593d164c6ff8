import { randomUUID } from 'node:crypto';
import { formatUsd } from '@tunan/kernel';
import { required, segment, type Command } from '../command.js';
import { CommandError } from '../errors.js';

export const creditAdd: Command = {
  name: 'credit add',
  help: 'credit an account',
  options: {
    account: { value: 'ID', help: 'account id', required: true },
    amount: { value: 'USD', help: 'amount in dollars, at most nine places', required: true },
    kind: { value: 'KIND', help: 'topup (if not given), grant, bonus, refund or adjustment' },
    reference: { value: 'R', help: 'names the payment or ticket: the same reference is credited once' },
  },
  async run(client, values) {
    const account = required(values, 'account');
    const amountUsd = required(values, 'amount');
    const reference = values['reference'] ?? `cli-${randomUUID()}`;
    const body = { amountUsd, kind: values['kind'] ?? 'topup', reference };
    const answer = await add(
      () =>
        client.post<{ balanceNano: string; posted: boolean }>(`/accounts/${segment(account)}/credits`, body),
      values,
      reference,
    );
    const { balanceNano, posted } = answer;
    const balance = `Balance $${formatUsd(BigInt(balanceNano))}.`;
    return {
      json: { balanceNano, posted, reference },
      text: posted
        ? `Credited. ${balance} Reference ${reference}.`
        : `${reference} had been credited before. ${balance}`,
    };
  },
};

/** Whoever did not choose the reference must learn it where the outcome is unknown: trying again without it pays twice. */
const add = async <T>(
  call: () => Promise<T>,
  values: { readonly [name: string]: string | undefined },
  reference: string,
): Promise<T> => {
  try {
    return await call();
  } catch (error) {
    if (!(error instanceof CommandError) || !error.outcomeUnknown || values['reference'] !== undefined)
      throw error;
    throw new CommandError(
      `${error.message} If you try again, add --reference ${reference} so that it is credited once.`,
    );
  }
};
