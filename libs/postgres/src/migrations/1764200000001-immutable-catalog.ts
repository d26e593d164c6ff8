import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Makes stored catalog snapshots immutable: what was charged can be rated again for as long as the ledger is kept. */
export class ImmutableCatalog1764200000001 implements MigrationInterface {
  readonly name = 'ImmutableCatalog1764200000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE TRIGGER catalog_snapshot_immutable BEFORE UPDATE OR DELETE ON catalog_snapshot
       FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TRIGGER catalog_snapshot_immutable ON catalog_snapshot');
  }
}
