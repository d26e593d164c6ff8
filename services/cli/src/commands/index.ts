import type { Command } from '../command.js';
import { accountCreate, accountSet, accountShow } from './account.js';
import { catalogActivate, catalogList, catalogShow } from './catalog.js';
import { creditAdd } from './credit.js';
import { keyCreate, keyList, keyRevoke, keySet } from './key.js';
import { ledgerShow } from './ledger.js';
import { ledgerRerate } from './rerate.js';

/** Every command, in the order of the help. */
export const COMMANDS: readonly Command[] = [
  accountCreate,
  accountShow,
  accountSet,
  keyCreate,
  keyList,
  keySet,
  keyRevoke,
  creditAdd,
  ledgerShow,
  ledgerRerate,
  catalogShow,
  catalogList,
  catalogActivate,
];
