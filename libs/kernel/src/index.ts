export * from './api-key.js';
export * from './clock.js';
export * from './fault/error-body.js';
export * from './fault/fault.js';
export * from './fault/faults.js';
export * from './ids.js';
export * from './key-hmac.js';
export * from './money.js';
