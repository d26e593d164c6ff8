/** How a connection ends before its answer does. */
export const CUT_WAYS = ['close', 'reset', 'eof'] as const;
export type CutWay = (typeof CUT_WAYS)[number];

/** A point of a body: after so many frames that carry output, or after so many bytes. */
export interface BodyPoint {
  readonly unit: 'chunks' | 'bytes';
  readonly after: number;
}

/** Something that goes wrong on purpose. */
export type InjectedFault =
  /** The connection ends before any header: by reset, or in order; or nothing ever comes. */
  | { readonly kind: 'reset' | 'close' | 'hang' }
  /** The provider's answer for one of its codes, or for an HTTP status. */
  | { readonly kind: 'error'; readonly code: string; readonly status: number | undefined }
  | { readonly kind: 'status'; readonly status: number }
  /** A page of a proxy, a body of blanks, no body at all. */
  | { readonly kind: 'html'; readonly status: number }
  | { readonly kind: 'whitespace' | 'blank' }
  /** An answer without content; a JSON answer to a call for a stream. */
  | { readonly kind: 'empty' | 'unary' }
  | { readonly kind: 'cut'; readonly at: BodyPoint; readonly way: CutWay }
  /** Nothing more comes and the connection stays open. */
  | { readonly kind: 'stall'; readonly at: BodyPoint }
  /** The provider's own way to fail in the middle of a stream. */
  | { readonly kind: 'stream_error'; readonly at: BodyPoint; readonly code: string | undefined }
  /** A frame that is not JSON. */
  | { readonly kind: 'garbage'; readonly at: BodyPoint }
  /** One line without end, of so many MiB. */
  | { readonly kind: 'flood'; readonly mib: number };

const FLOOD_MAX_MIB = 256;

const whole = (text: string | undefined, what: string, min: number, max: number): number => {
  const value = Number(text);
  if (text === undefined || !/^\d{1,12}$/.test(text) || value < min || value > max)
    throw new RangeError(`${what} must be a whole number from ${min} to ${max}`);
  return value;
};

const statusOf = (text: string | undefined): number => whole(text, 'status', 200, 599);

const pointOf = (unit: BodyPoint['unit'], text: string | undefined): BodyPoint => ({
  unit,
  after: whole(text, unit, 0, 1_000_000_000),
});

const wayOf = (text: string | undefined): CutWay => {
  const way = CUT_WAYS.find((candidate) => candidate === (text ?? 'close'));
  if (way === undefined) throw new RangeError(`a cut is one of ${CUT_WAYS.join(', ')}`);
  return way;
};

type Reader = (first: string | undefined, second: string | undefined) => InjectedFault;

const READERS: Readonly<Record<string, Reader>> = {
  reset: () => ({ kind: 'reset' }),
  close: () => ({ kind: 'close' }),
  hang: () => ({ kind: 'hang' }),
  whitespace: () => ({ kind: 'whitespace' }),
  blank: () => ({ kind: 'blank' }),
  empty: () => ({ kind: 'empty' }),
  unary: () => ({ kind: 'unary' }),
  html: (status) => ({ kind: 'html', status: statusOf(status ?? '502') }),
  status: (status) => ({ kind: 'status', status: statusOf(status) }),
  error: (code, status) => {
    if (code === undefined || code === '') throw new RangeError('error needs a code of the provider');
    return { kind: 'error', code, status: status === undefined ? undefined : statusOf(status) };
  },
  cut: (after, way) => ({ kind: 'cut', at: pointOf('chunks', after), way: wayOf(way) }),
  cut_bytes: (after, way) => ({ kind: 'cut', at: pointOf('bytes', after), way: wayOf(way) }),
  stall: (after) => ({ kind: 'stall', at: pointOf('chunks', after) }),
  stall_bytes: (after) => ({ kind: 'stall', at: pointOf('bytes', after) }),
  stream_error: (after, code) => ({ kind: 'stream_error', at: pointOf('chunks', after), code }),
  garbage: (after) => ({ kind: 'garbage', at: pointOf('chunks', after) }),
  flood: (mib) => ({ kind: 'flood', mib: whole(mib, 'flood', 1, FLOOD_MAX_MIB) }),
};

/**
 * Reads a fault from its text, `name:argument:argument`, such as `cut:3:reset` or `error:1113`.
 * @throws RangeError naming what is wrong
 */
export const parseFault = (text: string): InjectedFault => {
  const [name = '', first, second, extra] = text.split(':');
  const reader = Object.hasOwn(READERS, name) ? READERS[name] : undefined;
  if (reader === undefined || extra !== undefined) throw new RangeError(`no such fault: ${text}`);
  return reader(first, second);
};
