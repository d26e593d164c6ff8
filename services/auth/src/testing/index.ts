export * from '../store/testing/builders.js';
export * from '../store/testing/memory-admission-store.js';
export * from '../store/testing/memory-journal.js';
export * from './memory-account-source.js';
export * from './memory-catalog-source.js';
export * from './memory-usage-sink.js';
