export * from '../chat/inference.js';
export * from '../chat/open-exchanges.js';
export * from '../principals.js';
export * from './fake-auth.js';
