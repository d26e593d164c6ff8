import { describeAdmissionStore } from './testing/describe-admission-store.js';
import { openMemoryHarness } from './testing/memory-harness.js';

describeAdmissionStore('MemoryAdmissionStore', openMemoryHarness);
