import type { LedgerEntry } from '@tunan/contracts';
import type { Account, ApiKey } from '../domain/account.js';

/** What the operator API answers. Amounts are decimal strings of nano-dollars, times ISO 8601 in UTC. */

export const accountView = (account: Account) => ({
  accountId: account.accountId,
  email: account.email,
  displayName: account.displayName,
  status: account.status,
  tier: account.tier,
  limits: account.limits,
  aliases: account.aliases,
  opened: account.opened,
  openingCreditNano: account.openingCredit.toString(),
  balanceNano: account.balance.toString(),
  spentNano: account.spent.toString(),
  requestCount: Number(account.requests),
  createdAt: account.createdAt.toISOString(),
});

export const keyView = (key: ApiKey) => ({
  keyId: key.keyId,
  name: key.name,
  hint: key.hint,
  status: key.status,
  models: key.models,
  capNano: key.cap?.toString() ?? null,
  spentNano: key.spent.toString(),
  limits: key.limits,
  expiresAt: key.expiresAt?.toISOString() ?? null,
  createdAt: key.createdAt.toISOString(),
  revokedAt: key.revokedAt?.toISOString() ?? null,
});

export const entryView = ({ eventId, requestId, kind, amount, at }: LedgerEntry) => ({
  eventId,
  requestId,
  kind,
  amountNano: amount.toString(),
  at,
});
