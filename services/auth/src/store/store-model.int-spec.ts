import { describeStoreModel } from './testing/describe-store-model.js';
import { openSqliteHarness } from './testing/sqlite-harness.js';

describeStoreModel('SqliteAdmissionStore', openSqliteHarness, 100);
