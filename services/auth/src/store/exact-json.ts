/** Marks a decimal string that is an integer amount. No text of ours starts with it. */
const MARK = '\u0000n';

/**
 * JSON that keeps `bigint`. For what is seldom written: a replacer runs for every member.
 * `undefined` members are left out, as in JSON.
 */
export const exactStringify = (value: unknown): string =>
  JSON.stringify(value, (_, member: unknown) => (typeof member === 'bigint' ? `${MARK}${member}` : member));

/** Reads what {@link exactStringify} wrote. */
export const exactParse = (text: string): unknown =>
  JSON.parse(text, (_, member: unknown) =>
    typeof member === 'string' && member.startsWith(MARK) ? BigInt(member.slice(MARK.length)) : member,
  );
