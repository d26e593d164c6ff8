import type { MigrationInterface, QueryRunner } from 'typeorm';

/** Whether a key may name models by their aliases; an account that refuses them refuses them for all its keys. */
export class AliasesOfAKey1764400000000 implements MigrationInterface {
  readonly name = 'AliasesOfAKey1764400000000';

  async up(runner: QueryRunner): Promise<void> {
    // A constant default is metadata: no row is rewritten, however many keys there are.
    await runner.query('ALTER TABLE api_key ADD COLUMN aliases boolean NOT NULL DEFAULT true');
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE api_key DROP COLUMN aliases');
  }
}
