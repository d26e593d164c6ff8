import type { Nano } from '@tunan/kernel';

/** Limits of an account or key; null means those of the tier, or of the account. */
export interface Limits {
  readonly rpm: number | null;
  readonly tpm: number | null;
  readonly concurrency: number | null;
}

/** An account as Postgres has it. */
export interface Account {
  readonly accountId: string;
  readonly email: string;
  readonly displayName: string;
  readonly status: 'active' | 'suspended' | 'unverified';
  readonly tier: 'free' | 'paid';
  readonly limits: Limits;
  readonly aliases: boolean;
  readonly openingCredit: Nano;
  /** True once the opening credit is in the ledger. */
  readonly opened: boolean;
  readonly balance: Nano;
  readonly spent: Nano;
  readonly requests: bigint;
  readonly createdAt: Date;
}

/** An account that is about to be made. */
export interface NewAccount {
  readonly accountId: string;
  readonly email: string;
  readonly displayName: string;
  readonly limits: Limits;
  readonly openingCredit: Nano;
}

/** A customer key as Postgres has it: everything but what it is. */
export interface ApiKey {
  readonly keyId: string;
  readonly name: string;
  /** First and last characters, to recognise it by. */
  readonly hint: string;
  readonly status: 'active' | 'revoked';
  /** Model ids that it may use; null for all. */
  readonly models: readonly string[] | null;
  /** False if it may name models by their public ids only. */
  readonly aliases: boolean;
  /** Most that it may spend in its life; null for no cap. */
  readonly cap: Nano | null;
  readonly spent: Nano;
  readonly limits: Limits;
  readonly expiresAt: Date | null;
  readonly createdAt: Date;
  readonly revokedAt: Date | null;
}

/** A key that is about to be stored. */
export interface NewApiKey {
  readonly keyId: string;
  readonly name: string;
  readonly hint: string;
  readonly hmac: Buffer;
  readonly pepperVersion: number;
  readonly models: readonly string[] | null;
  readonly aliases: boolean;
  readonly cap: Nano | null;
  readonly limits: Limits;
  readonly expiresAt: Date | null;
}

/** Keys of an account that may be active at the same time: all of them travel with every change of its profile. */
export const ACTIVE_KEYS_MAX = 1_000;
