export * from './answer-encoder.js';
export * from './capabilities/index.js';
export * from './chat.js';
export * from './chunk-encoder.js';
export * from './json-schema.js';
export * from './sse-reader.js';
export * from './token-estimate.js';
export * from './usage.js';
