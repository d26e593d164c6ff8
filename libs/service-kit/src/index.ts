export * from './health.js';
export * from './logger.js';
export * from './nest-logger.js';
export * from './nest-service.js';
export * from './service.js';
