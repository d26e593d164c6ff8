import OpenAI, { type ClientOptions } from 'openai';
import type { Platform } from '../e2e/topology.js';

/** A new account and what its owner has. */
export interface Customer {
  readonly accountId: string;
  readonly apiKey: string;
  /** The official client with this key; it does not retry unless told to. */
  readonly client: (options?: ClientOptions) => OpenAI;
}

/** Limits and credit of a new account; what is not given is out of the way. */
export interface CustomerOptions {
  readonly credit?: string;
  readonly rpm?: number;
  readonly tpm?: number;
  readonly concurrency?: number;
}

let customers = 0;

/** Makes an account through the command line, as an operator would. */
export const newCustomer = async (platform: Platform, options: CustomerOptions = {}): Promise<Customer> => {
  const { credit = '5', rpm = 10_000, tpm = 100_000_000, concurrency = 50 } = options;
  customers += 1;
  const email = `customer-${process.pid}-${customers}@example.com`;
  const { accountId, apiKey } = await platform.cli<{ accountId: string; apiKey: string }>(
    'account',
    'create',
    '--email',
    email,
    ...['--credit', credit, '--rpm', String(rpm), '--tpm', String(tpm), '--concurrency', String(concurrency)],
  );
  return { accountId, apiKey, client: (more) => openAi(platform, apiKey, more) };
};

/** The official client. */
export const openAi = (platform: Platform, apiKey: string, options: ClientOptions = {}): OpenAI =>
  new OpenAI({ baseURL: platform.apiUrl, apiKey, maxRetries: 0, ...options });
