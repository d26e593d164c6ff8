export { billing } from './billing.definition.js';
