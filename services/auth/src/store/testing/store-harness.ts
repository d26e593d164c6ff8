import type { StoreLimits } from '../../domain/admission-state.js';
import type { AdmissionResult } from '../../domain/operations.js';
import type { AdmissionStore } from '../admission-store.js';
import { aPublication, anAdmission } from './builders.js';

/** A store under test and the world around it. */
export interface StoreHarness {
  readonly store: AdmissionStore;
  /** Lets time pass for the store. */
  advance(ms: number): Promise<void>;
  /** Ends the store's process without a farewell and starts it again on what it left. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

/** Opens an empty store. */
export type OpenHarness = (limits?: Partial<StoreLimits>) => Promise<StoreHarness>;

type Granted = Extract<AdmissionResult, { outcome: 'granted' }>;

/** Makes an account hot, as if Postgres had been read. */
export const heat = async (
  store: AdmissionStore,
  ...changes: Parameters<typeof aPublication>
): Promise<void> => {
  await store.publish([aPublication(...changes)], await store.generation());
};

/** Admits a request that must be granted. */
export const grant = async (
  store: AdmissionStore,
  ...changes: Parameters<typeof anAdmission>
): Promise<Granted> => {
  const result = await store.admit(anAdmission(...changes));
  if (result.outcome !== 'granted') throw new Error(`not granted but ${JSON.stringify(result, toText)}`);
  return result;
};

const toText = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);
