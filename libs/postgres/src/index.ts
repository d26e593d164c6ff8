export * from './database-fault.js';
export * from './embedded/embedded-postgres.js';
export * from './embedded/embedded-postgres-error.js';
export * from './migrate.js';
export * from './pool.js';
export * from './published-versions.js';
export * from './transaction.js';
