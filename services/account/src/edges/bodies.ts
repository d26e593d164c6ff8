import { entryKind, RERATE_EVENTS_MAX } from '@tunan/contracts';
import { z } from 'zod';
import { readAmount } from '../domain/amount.js';
import { normalizeEmail } from '../domain/email.js';
import { REFERENCE } from '../domain/identifiers.js';

/** Bodies and queries of the operator API. Unknown members are refused: a mistyped limit must not be ignored. */

const INT4_MAX = 2_147_483_647;

const limit = z.int().min(1).max(INT4_MAX).nullish();
const limits = { rpm: limit, tpm: limit, concurrency: limit };

const usd = z.string().transform((text, context) => {
  const amount = readAmount(text);
  if (amount !== null) return amount;
  context.addIssue({
    code: 'custom',
    message: 'must be dollars as a decimal string, 0 to 1000000 with at most 9 places',
  });
  return z.NEVER;
});

const email = z.string().transform((text, context) => {
  const address = normalizeEmail(text);
  if (address !== null) return address;
  context.addIssue({ code: 'custom', message: 'must be an e-mail address' });
  return z.NEVER;
});

/** Shown to people: no control characters. */
const name = z
  .string()
  .trim()
  .max(128)
  .regex(/^\P{Cc}*$/u, 'must not contain control characters');

export const createAccountBody = z.strictObject({
  email,
  displayName: name.optional(),
  creditUsd: usd.optional(),
  ...limits,
});

/** What can be changed of an account or a key later. */
export const changeBody = z.strictObject({ aliases: z.boolean() });

export const createKeyBody = z.strictObject({
  name: name.default(''),
  capUsd: usd.nullish(),
  models: z.array(z.string().max(128)).min(1).max(500).nullish(),
  aliases: z.boolean().default(true),
  expiresAt: z.iso
    .datetime({ offset: true })
    .transform((text) => new Date(text))
    .nullish(),
  ...limits,
});

export const creditBody = z.strictObject({
  amountUsd: usd.refine(
    (amount) => amount > 0n,
    'must be above 0; money leaves an account only through its holds',
  ),
  kind: entryKind.exclude(['charge']),
  reference: z.string().regex(REFERENCE, 'must be 1 to 100 letters, digits or . _ : / -'),
});

/** Far below what a JSON number or a bigint column can't hold. */
const version = z.int().min(1).max(Number.MAX_SAFE_INTEGER);
const versionText = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a whole number')
  .transform(Number)
  .pipe(version);

export const activateCatalogBody = z
  .strictObject({
    /** The text of a catalog file. */
    document: z.string().max(900_000).optional(),
    /** A stored snapshot, instead. */
    version: version.optional(),
    note: name.default(''),
    acceptBelowCost: z.boolean().default(false),
  })
  .refine((body) => (body.document === undefined) !== (body.version === undefined), {
    path: ['document'],
    message: 'give either document or version',
  });

export const catalogQuery = z.strictObject({ version: versionText.optional() });

export const catalogListQuery = z.strictObject({ before: versionText.optional() });

export const reratingQuery = z.strictObject({
  account: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'must be an account id')
    .optional(),
  after: z
    .string()
    .regex(/^[!-~]{1,260}$/, 'must be a cursor that this call gave')
    .optional(),
  limit: z
    .string()
    .regex(/^\d{1,4}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(RERATE_EVENTS_MAX))
    .default(1_000),
});

export const accountQuery = z.strictObject({ email });

export const ledgerQuery = z.strictObject({
  after: z
    .string()
    .regex(/^[!-~]{1,64}$/, 'must be a cursor that this call gave')
    .optional(),
  limit: z
    .string()
    .regex(/^\d{1,5}$/, 'must be a whole number')
    .transform(Number)
    .pipe(z.int().min(1).max(10_000))
    .default(1_000),
});
