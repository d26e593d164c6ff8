export * from './cli.js';
export * from './eventually.js';
export * from './free-port.js';
export * from './host-process.js';
export * from './kernel-connections.js';
export * from './repository.js';
export * from './temp-dir.js';
