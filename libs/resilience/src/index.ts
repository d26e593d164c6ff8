export * from './circuit-breaker.js';
export * from './cooldowns.js';
export * from './random.js';
export * from './retry-budget.js';
export * from './window.js';
