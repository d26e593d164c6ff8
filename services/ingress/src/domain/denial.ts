import type { AccountProfile, AdmitReply } from '@tunan/contracts';
import { Fault, formatUsd } from '@tunan/kernel';
import { invalidApiKey } from './bearer-token.js';

type Denied = Extract<AdmitReply, { outcome: 'denied' }>;

const limited = (denied: Denied, what: string): Fault =>
  new Fault(
    'rate_limit_exceeded',
    `Rate limit reached: too many ${what}. Slow down and use exponential backoff.`,
    {
      retryAfterMs: denied.retryAfterMs ?? 60_000,
    },
  );

/** Why an account in this state may not call; undefined if it may. */
export const statusFault = (status: AccountProfile['status']): Fault | undefined => {
  switch (status) {
    case 'active':
      return undefined;
    case 'suspended':
      return new Fault('account_suspended', 'This account is suspended. Please contact support.');
    case 'unverified':
      return new Fault('email_unverified', 'Please verify your e-mail address before you use the API.');
  }
};

/** The refusal of a model that the key's allow-list does not name. */
export const modelNotAllowed = (model: string): Fault =>
  new Fault('model_not_allowed', `This API key may not use the model '${model}'.`, { param: 'model' });

/** The public error of an admission that was refused. */
export const denialFault = (denied: Denied, model: string): Fault => {
  switch (denied.reason) {
    case 'invalid_api_key':
      return invalidApiKey();
    case 'account_suspended':
      return statusFault('suspended')!;
    case 'email_unverified':
      return statusFault('unverified')!;
    case 'model_not_allowed':
      return modelNotAllowed(model);
    case 'key_cap_reached':
      return new Fault(
        'key_cap_reached',
        'The spending cap of this API key is reached. Raise it or use another key.',
      );
    case 'requests':
      return limited(denied, 'requests per minute');
    case 'concurrency':
      return limited(denied, 'concurrent requests');
    case 'tokens':
      return limited(denied, 'tokens per minute');
    case 'credit':
      return insufficientQuota(denied);
  }
};

const insufficientQuota = ({ needed, available, retryAfterMs }: Denied): Fault => {
  const figures =
    needed === null || available === null
      ? ''
      : ` This request needs up to $${formatUsd(needed)}, available is $${formatUsd(available < 0n ? 0n : available)}.`;
  const message = `Insufficient quota. Please top up your account.${figures}`;
  // Waiting helps only where running requests hold the credit: then, and only then, an SDK may retry.
  return retryAfterMs === null
    ? new Fault('insufficient_quota', message)
    : new Fault('insufficient_quota', message, { retryAfterMs, shouldRetry: true });
};
