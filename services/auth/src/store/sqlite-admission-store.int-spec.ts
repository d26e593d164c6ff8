import { describeAdmissionStore } from './testing/describe-admission-store.js';
import { openSqliteHarness } from './testing/sqlite-harness.js';

describeAdmissionStore('SqliteAdmissionStore', openSqliteHarness);
