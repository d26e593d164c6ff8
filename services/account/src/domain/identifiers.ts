import { uuidv7 } from '@tunan/kernel';

const prefixed = (prefix: string, nowMs: number): string => `${prefix}_${uuidv7(nowMs).replaceAll('-', '')}`;

/** A new account id: sorts by time of creation. */
export const newAccountId = (nowMs: number): string => prefixed('acc', nowMs);

/** A new key id. It names a key; it is not the key. */
export const newKeyId = (nowMs: number): string => prefixed('key', nowMs);

/** Event id of an account's opening credit: one per account, so that it is posted once however often it is tried. */
export const openingEventId = (accountId: string): string => `grant:${accountId}`;

/** What an operator may use as the reference of a credit: a payment or ticket number. */
export const REFERENCE = /^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$/;

/**
 * Event id of a credit with a reference. References are unique across accounts: the same payment booked to a second
 * account by mistake is refused by the ledger.
 */
export const creditEventId = (reference: string): string => `credit:${reference}`;
