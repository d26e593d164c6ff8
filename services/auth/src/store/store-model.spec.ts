import { describeStoreModel } from './testing/describe-store-model.js';
import { openMemoryHarness } from './testing/memory-harness.js';

describeStoreModel('MemoryAdmissionStore', openMemoryHarness, 5_000);
