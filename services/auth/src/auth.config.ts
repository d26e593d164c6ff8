import { configSchema, integer, secret } from '@tunan/config';
import { parsePeppers } from '@tunan/kernel';

const isPepperList = (text: string): boolean => {
  try {
    return parsePeppers(text).length > 0;
  } catch {
    return false;
  }
};

/** Settings of auth. */
export const authConfig = configSchema({
  /** Secrets that customer keys are hashed with: `version:hex[,version:hex…]`, the current one first. */
  KEY_PEPPER: secret().refine(
    (value) => isPepperList(value.reveal()),
    'must be version:hex[,version:hex…] with 16 to 128 bytes each',
  ),
  /** Keys that are remembered, and for how long a known and an unknown one is not looked up again. */
  AUTH_KEY_CACHE_MAX: integer(1, 1_000_000).default(10_000),
  AUTH_KEY_CACHE_MS: integer(0, 3_600_000).default(30_000),
  AUTH_KEY_MISS_CACHE_MS: integer(0, 60_000).default(5_000),
  /** A hold that is not renewed for this long is swept. */
  AUTH_LEASE_MS: integer(1_000, 600_000).default(60_000),
  /** How long an ended request is remembered, and how many of them at most. */
  AUTH_TOMBSTONE_MS: integer(60_000, 86_400_000).default(3_600_000),
  AUTH_TOMBSTONES_MAX: integer(1_000, 5_000_000).default(500_000),
  /** Usage events that may wait for billing; at this number nothing more is admitted. */
  AUTH_OUTBOX_MAX: integer(100, 1_000_000).default(100_000),
  /** Largest size of the admission store's file. */
  AUTH_STORE_BYTES_MAX: integer(16_777_216, 1_099_511_627_776).default(8_589_934_592),
  /** Operations that may wait for the store. */
  AUTH_STORE_WAITING_MAX: integer(1, 100_000).default(10_000),
  /** Longest wait for the store: of what a request waits for, and of settlements and background work. */
  AUTH_STORE_TIMEOUT_MS: integer(10, 10_000).default(900),
  AUTH_STORE_PATIENT_TIMEOUT_MS: integer(10, 60_000).default(4_500),
  /** How long the first request of a cold account may wait for it to be loaded. */
  AUTH_COLD_WAIT_MS: integer(0, 5_000).default(500),
  AUTH_CATALOG_POLL_MS: integer(100, 60_000).default(2_000),
  AUTH_SWEEP_INTERVAL_MS: integer(100, 60_000).default(5_000),
  AUTH_REPAIR_INTERVAL_MS: integer(100, 600_000).default(2_000),
  /** A charge that is pending for this long has its account read again. */
  AUTH_PENDING_STALE_MS: integer(1_000, 3_600_000).default(60_000),
  /** How often the store is compared with Postgres, and how many accounts each time. */
  AUTH_RECONCILE_INTERVAL_MS: integer(100, 86_400_000).default(60_000),
  AUTH_RECONCILE_ACCOUNTS: integer(1, 100_000).default(2_000),
  /** No hold may be older: above the longest exchange that an ingress allows, with its settlement. */
  AUTH_HOLD_AGE_MAX_MS: integer(1_000, 7_200_000).default(900_000),
  /** Usage events of one delivery, and how long they gather for it. */
  AUTH_RELAY_BATCH: integer(1, 2_000).default(500),
  AUTH_RELAY_LINGER_MS: integer(0, 10_000).default(50),
  /** Longest pause of background work that fails. */
  AUTH_BACK_OFF_MAX_MS: integer(100, 600_000).default(30_000),
});
