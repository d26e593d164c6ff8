export { auth } from './auth.definition.js';
