import { describeStoreModel } from './testing/describe-store-model.js';
import { aFileDisk } from './testing/disk.js';

describeStoreModel('SqliteAdmissionStore', aFileDisk, 2_000);
