import type { Pool } from 'pg';

/** Versions of an account that the admission store has confirmed; null: nothing is known of that part. */
export interface PublishedVersions {
  readonly accountId: string;
  readonly ledger: number | null;
  readonly profile: number | null;
}

/**
 * Accounts are taken in id order, as every writer of several accounts takes them, and those that somebody is changing
 * are left out rather than waited for: so this can't deadlock with a ledger transaction or hold one up.
 */
const MARK = `
WITH confirmed AS (
  SELECT a.id, v.ledger, v.profile
  FROM account a
  JOIN unnest($1::text[], $2::bigint[], $3::bigint[]) AS v (id, ledger, profile) ON a.id = v.id COLLATE "C"
  WHERE a.published_ledger_version < v.ledger OR a.published_profile_version < v.profile
  ORDER BY a.id FOR NO KEY UPDATE OF a SKIP LOCKED
)
UPDATE account a
SET published_ledger_version = greatest(a.published_ledger_version, confirmed.ledger),
    published_profile_version = greatest(a.published_profile_version, confirmed.profile)
FROM confirmed WHERE a.id = confirmed.id`;

/**
 * Records what the admission store has confirmed, never backwards. A hint, on purpose: what is left out because the
 * account was busy is published once more, which does no harm.
 */
export const markPublished = async (
  pool: Pick<Pool, 'query'>,
  versions: readonly PublishedVersions[],
): Promise<void> => {
  await pool.query(MARK, [
    versions.map(({ accountId }) => accountId),
    versions.map(({ ledger }) => ledger),
    versions.map(({ profile }) => profile),
  ]);
};
