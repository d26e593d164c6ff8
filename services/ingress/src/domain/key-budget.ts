import type { InspectReply } from '@tunan/contracts';
import { minNano, type Nano } from '@tunan/kernel';

/** What can be spent with a key: its own cap where it has one, never more than its account has. */
export interface KeyBudget {
  readonly used: Nano;
  readonly left: Nano;
}

/** The budget of the key that an account was inspected with. Without a cap it is the account's. */
export const keyBudgetOf = ({
  left,
  spent,
  keyBudget,
}: Pick<Extract<InspectReply, { outcome: 'known' }>, 'left' | 'spent' | 'keyBudget'>): KeyBudget =>
  keyBudget === null ? { used: spent, left } : { used: keyBudget.spent, left: minNano(keyBudget.left, left) };
