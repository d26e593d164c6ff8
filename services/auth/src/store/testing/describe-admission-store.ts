import { describe } from '@jest/globals';
import { describeAdmission } from './describe-admission.js';
import { describeLeases } from './describe-leases.js';
import { describeLimits } from './describe-limits.js';
import { describeLostFile } from './describe-lost-file.js';
import { describePublication } from './describe-publication.js';
import { describeSettlement } from './describe-settlement.js';
import type { OpenHarness } from './store-harness.js';

/** The contract of an admission store, as tests: every implementation passes all of it. */
export const describeAdmissionStore = (name: string, open: OpenHarness): void => {
  describe(name, () => {
    describe('admit', () => describeAdmission(open));
    describe('limits', () => describeLimits(open));
    describe('settle and void', () => describeSettlement(open));
    describe('leases', () => describeLeases(open));
    describe('a new file', () => describeLostFile(open));
    describe('publish, inspect, outbox', () => describePublication(open));
  });
};
