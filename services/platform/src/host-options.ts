import type { Clock } from '@tunan/kernel';
import type { Mode, ServiceDefinition } from '@tunan/service-kit';
import type { DataDir } from './data-dir.js';
import type { Settings } from './settings.js';

/** Everything that a host is made from. */
export interface HostOptions {
  readonly definitions: readonly ServiceDefinition[];
  readonly settings: Settings;
  readonly mode: Mode;
  readonly dataDir: DataDir;
  readonly operatorToken: string | undefined;
  /** Token that every caller may use where none is configured; mode embedded only. */
  readonly internalToken: string | undefined;
  readonly clock: Clock;
  /** Called with what the host is doing, in words for people. */
  readonly progress: (step: string) => void;
}
