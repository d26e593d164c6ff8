import { pricePerMillion, type LedgerEntry, type RatingDifference } from '@tunan/contracts';
import { z } from 'zod';
import type { Account, ApiKey } from '../domain/account.js';
import type { BelowCost } from '../domain/below-cost.js';
import type { SnapshotSummary } from './catalog-store.js';

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
  aliases: key.aliases,
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

export const differenceView = (difference: RatingDifference) => ({
  eventId: difference.eventId,
  accountId: difference.accountId,
  faults: difference.faults,
  chargedNano: difference.charged.toString(),
  statedNano: difference.stated?.toString() ?? null,
  reratedNano: difference.rerated?.toString() ?? null,
  flags: difference.flags,
});

export const snapshotView = ({ version, active, note, createdAt }: SnapshotSummary) => ({
  version,
  active,
  note,
  createdAt: createdAt.toISOString(),
});

/** Prices as a catalog writes them: dollars per million tokens. */
export const belowCostView = ({ model, channel, tokens, price, cost }: BelowCost) => ({
  model,
  channel,
  tokens,
  priceUsd: z.encode(pricePerMillion, price),
  costUsd: z.encode(pricePerMillion, cost),
});
