export * from './stream-samples.js';
