import { describeStoreModel } from './testing/describe-store-model.js';
import { aMemoryDisk } from './testing/disk.js';

describeStoreModel('the store over a journal in memory', aMemoryDisk, 3_500);
