import { generateApiKey } from '@tunan/kernel';
import { MODELS, prompt, stream, unary } from './requests.mjs';

/** Sizes of a run. `large`: answers and prompts of each size that linearity is judged by. */
export const FULL = {
  rounds: 6,
  seconds: 4,
  chunks: 200,
  streams: 100,
  latencies: 500,
  large: 200,
  warmUp: 60_000,
};
export const QUICK = {
  rounds: 4,
  seconds: 1.5,
  chunks: 100,
  streams: 100,
  latencies: 200,
  large: 100,
  warmUp: 30_000,
};

/** The providers whose dialects are measured beside DeepSeek's, in which everything else is. */
export const DIALECTS = Object.keys(MODELS).filter((provider) => provider !== 'deepseek');
/** Sizes of one kind of request or answer, in KB: what a KB costs should not depend on them. */
export const LARGE = { answer: [250, 500, 1_000], stream: [250, 500, 1_000], prompt: [25, 50, 100] };
const FRAMES_PER_KB = 4;

const PACE_US = 20_000;
/** Well formed, so that nothing but a look-up can tell that it does not exist. */
const UNKNOWN_KEY = generateApiKey();

/** Below the 60 failed authentications a minute that an address has. */
const PER_ADDRESS = 50;
/** More than are asked for in a window, so that each is new. */
const REJECTED_KEYS = 20_000;

/** Keys that are refused: each is looked up, is known not to exist, or comes from where too many have failed. */
const REJECTED = {
  'unknown-keys': {
    request: () => ({
      bytes: unary(UNKNOWN_KEY),
      apiKeys: Array.from({ length: REJECTED_KEYS }, generateApiKey),
    }),
    load: { requests: REJECTED_KEYS, perAddress: PER_ADDRESS, status: 401 },
  },
  'unknown-key': {
    request: () => unary(UNKNOWN_KEY),
    load: { perAddress: PER_ADDRESS, status: 401 },
  },
  address: {
    before: { connections: 1, requests: 2 * PER_ADDRESS, status: 4 },
    request: () => unary(UNKNOWN_KEY),
    load: { status: 429 },
  },
};

const ATTACKERS = 500;
/** Of the good client in each window, attacked or not: ten of them are above the 99th percentile. */
const ATTACKED_REQUESTS = 1_000;
/** More than the attackers make connections in one window. */
const UNKNOWN_KEYS = 20_000;

/** What else goes on while a good client is measured: nothing, or 500 connections of somebody who means harm. */
const ATTACKS = {
  calm: undefined,
  /** Bodies of a key that works, a byte now and then. */
  trickle: { kind: 'trickle', connections: ATTACKERS, keys: ({ apiKey }) => [apiKey] },
  /** 20 MiB each, as fast as they are taken, with one key of the right form that nobody has. */
  'unknown-key': { kind: 'upload', connections: ATTACKERS, keys: () => [UNKNOWN_KEY] },
  /** The same with another key each time. */
  'unknown-keys': {
    kind: 'upload',
    connections: ATTACKERS,
    keys: () => Array.from({ length: UNKNOWN_KEYS }, generateApiKey),
  },
};

/**
 * What is measured in one window: `request` is sent, `load` says how; `before` is a load that comes first and does not
 * count. `units` is what CPU is divided by. `gateway-again` measures the gateway a second time in each round; what the two
 * differ by is noise. `against` is another checkout, if one was named. `latency`: times are what counts, so that neighbours
 * on the machine must not be in the way. `attack`: goes on meanwhile; under `direct` it is the gateway that is attacked, so
 * that what the rig itself suffers can be seen.
 */
export const scenarios = (size) => [
  {
    name: 'unary',
    arms: ['direct', 'control', 'nginx', 'gateway', 'gateway-again', 'against'],
    request: ({ apiKey }) => unary(apiKey),
    load: { connections: 64, seconds: size.seconds },
    units: ({ answers }) => answers,
  },
  {
    name: 'paced',
    arms: ['control', 'nginx', 'gateway', 'against'],
    request: ({ apiKey }) => stream(apiKey, size.chunks, PACE_US),
    load: { connections: size.streams, requests: size.streams, staggerUs: PACE_US / size.streams },
    units: ({ answers }) => answers * size.chunks,
  },
  ...DIALECTS.map((provider) => ({
    name: `paced-${provider}`,
    arms: ['control', 'gateway', 'against'],
    request: ({ apiKey }) => stream(apiKey, size.chunks, PACE_US, provider),
    load: { connections: size.streams, requests: size.streams, staggerUs: PACE_US / size.streams },
    units: ({ answers }) => answers * size.chunks,
  })),
  {
    name: 'first-byte-unary',
    arms: ['direct', 'control', 'gateway', 'against'],
    request: ({ apiKey }) => unary(apiKey),
    latency: true,
    load: { connections: 1, requests: size.latencies },
    units: ({ answers }) => answers,
  },
  {
    name: 'first-byte-stream',
    arms: ['direct', 'control', 'gateway', 'against'],
    request: ({ apiKey }) => stream(apiKey, 10, 0),
    latency: true,
    load: { connections: 1, requests: size.latencies },
    units: ({ answers }) => answers,
  },
  ...['english', 'chinese'].map((language) => ({
    name: `prompt-${language}`,
    arms: ['control', 'gateway', 'against'],
    request: ({ apiKey }) => prompt(apiKey, language),
    load: { connections: 16, seconds: size.seconds },
    units: ({ answers }) => answers,
  })),
  ...Object.entries(LARGE).flatMap(([kind, sizes]) =>
    sizes.map((kilobytes) => ({
      name: `${kind}-${kilobytes}`,
      arms: ['control', 'gateway', 'against'],
      request: ({ apiKey }) => large(kind, apiKey, kilobytes),
      load: { connections: 4, requests: size.large },
      units: ({ answers }) => answers,
    })),
  ),
  ...Object.entries(REJECTED).map(([name, { before, request, load }]) => ({
    name: `rejected-${name}`,
    arms: ['gateway', 'against'],
    billed: false,
    before,
    request,
    load: { connections: 64, seconds: size.seconds, ...load },
    units: ({ answers }) => answers,
  })),
  ...Object.entries(ATTACKS).map(([name, attack]) => ({
    name: `hostile-${name}`,
    arms: ['direct', 'gateway', 'against'],
    request: ({ apiKey }) => unary(apiKey),
    attack,
    load: { connections: 1, requests: ATTACKED_REQUESTS },
    units: ({ answers }) => answers,
  })),
];

const large = (kind, apiKey, kilobytes) => {
  if (kind === 'answer') return unary(apiKey, kilobytes);
  if (kind === 'stream') return stream(apiKey, kilobytes * FRAMES_PER_KB, 0);
  return prompt(apiKey, 'english', kilobytes);
};
