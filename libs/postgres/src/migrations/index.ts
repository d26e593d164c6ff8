import type { MigrationInterface } from 'typeorm';
import { InitialSchema1764000000000 } from './1764000000000-initial-schema.js';
import { UsageByDay1764200000000 } from './1764200000000-usage-by-day.js';
import { ImmutableCatalog1764200000001 } from './1764200000001-immutable-catalog.js';
import { ClearingIndex1764200000002 } from './1764200000002-clearing-index.js';
import { IdempotentAnswer1764300000000 } from './1764300000000-idempotent-answer.js';
import { AliasesOfAKey1764400000000 } from './1764400000000-aliases-of-a-key.js';
import { IdempotentBytes1764500000000 } from './1764500000000-idempotent-bytes.js';
import { AdmissionStore1764500000001 } from './1764500000001-admission-store.js';

/** A migration: a class whose instance has a unique `name` that ends in its 13-digit timestamp. */
export type MigrationClass = new () => MigrationInterface & { readonly name: string };

/** Every migration, oldest first. Append only: what has been released is never edited. */
export const MIGRATIONS: readonly MigrationClass[] = [
  InitialSchema1764000000000,
  UsageByDay1764200000000,
  ImmutableCatalog1764200000001,
  ClearingIndex1764200000002,
  IdempotentAnswer1764300000000,
  AliasesOfAKey1764400000000,
  IdempotentBytes1764500000000,
  AdmissionStore1764500000001,
];
