/** Bounds that a provider has for a number, narrower than the documented ones. */
export interface NumberBounds {
  readonly min: number;
  readonly max: number;
  /** Decimal places that the provider takes. */
  readonly decimals?: number;
  /** What becomes of a number outside: the nearest one inside is sent, or none. */
  readonly outside: 'nearest' | 'ignored';
}

/**
 * The class of one parameter of one upstream model.
 *
 * - `honoured`: sent, and the provider does what it says.
 * - `emulated`: done by the gateway. `nativeMax`: up to so many values are sent, for more the gateway does it.
 * - `advisory`: a hint. Sent within `bounds`, or as one of `values`; left out where there is neither.
 * - `refused`: would change the shape or the meaning of the answer, so the request is answered with 400.
 */
export type Treatment =
  | { readonly class: 'honoured' }
  | { readonly class: 'emulated'; readonly nativeMax?: number }
  | {
      readonly class: 'advisory';
      readonly bounds?: NumberBounds;
      /** Values that the provider has for the documented ones; others are left out. */
      readonly values?: Readonly<Record<string, string>>;
    }
  | { readonly class: 'refused' };

export type ParameterClass = Treatment['class'];

export const HONOURED: Treatment = { class: 'honoured' };
export const EMULATED: Treatment = { class: 'emulated' };
export const IGNORED: Treatment = { class: 'advisory' };
export const REFUSED: Treatment = { class: 'refused' };

/** Advisory: a number outside is moved to the nearest that the provider takes. */
export const within = (min: number, max: number, decimals?: number): Treatment => ({
  class: 'advisory',
  bounds: { min, max, outside: 'nearest', ...(decimals === undefined ? {} : { decimals }) },
});

/** The value that is sent of a parameter that is honoured or advisory; undefined leaves it out. */
export const sentValue = (treatment: Treatment, value: unknown): unknown => {
  if (treatment.class === 'honoured') return value;
  if (treatment.class !== 'advisory') return undefined;
  const { bounds, values } = treatment;
  if (values !== undefined)
    return typeof value === 'string' && Object.hasOwn(values, value) ? values[value] : undefined;
  if (bounds === undefined || typeof value !== 'number') return undefined;
  return bounded(value, bounds);
};

const bounded = (value: number, { min, max, decimals, outside }: NumberBounds): number | undefined => {
  if (outside === 'ignored' && (value < min || value > max)) return undefined;
  const near = Math.min(max, Math.max(min, value));
  if (decimals === undefined) return near;
  const scale = 10 ** decimals;
  return Math.round(near * scale) / scale;
};
