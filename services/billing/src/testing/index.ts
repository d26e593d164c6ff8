export * from '../deliver-usage.js';
export * from '../post-entry.js';
export * from '../account-publisher.js';
export * from '../repair-publications.js';
export * from '../billing.metrics.js';
export * from './fake-auth.js';
export * from './memory-ledger.js';
export * from './usage-events.js';
