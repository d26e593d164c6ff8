export * from './judge-chat.js';
export * from './parameters.js';
export * from './treatment.js';
export * from './upstream-models.js';
