import type { MigrationInterface, QueryRunner } from 'typeorm';

/** One row from the first start of an admission store on: a store whose file is new may then have lost another one. */
const STORE = `
CREATE TABLE admission_store (
  only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  generation text COLLATE "C" NOT NULL
)`;

/** Who has accounts has had a store, of a generation that nobody wrote down. */
const FORMER = `INSERT INTO admission_store (generation) SELECT '' WHERE EXISTS (SELECT FROM account)`;

/** Which admission store was the first of this database. */
export class AdmissionStore1764500000001 implements MigrationInterface {
  readonly name = 'AdmissionStore1764500000001';

  async up(runner: QueryRunner): Promise<void> {
    await runner.query(STORE);
    await runner.query(FORMER);
  }

  async down(runner: QueryRunner): Promise<void> {
    await runner.query('DROP TABLE admission_store');
  }
}
