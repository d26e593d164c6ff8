import type { MigrationInterface, QueryRunner } from 'typeorm';

/** The few transfers that payments make, so that their sum does not read the whole ledger. */
export class ClearingIndex1764200000002 implements MigrationInterface {
  readonly name = 'ClearingIndex1764200000002';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(
      `CREATE INDEX ledger_transfer_clearing ON ledger_transfer (seq)
       WHERE debit = 'clearing' OR credit = 'clearing'`,
    );
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP INDEX ledger_transfer_clearing');
  }
}
