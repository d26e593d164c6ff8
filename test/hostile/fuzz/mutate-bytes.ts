import fc from 'fast-check';

const edit = fc.record({
  where: fc.nat(),
  length: fc.nat(40),
  how: fc.constantFrom('flip', 'insert', 'remove', 'repeat', 'truncate', 'swap'),
  bytes: fc.oneof(
    fc.uint8Array({ minLength: 1, maxLength: 20 }).map((array) => Buffer.from(array)),
    fc
      .constantFrom(
        '"',
        '{',
        '}',
        '[',
        ']',
        ':',
        ',',
        '\\',
        '\\u0000',
        '\\ud800',
        '"model":"x",',
        '1e999',
        '-',
        '\ufeff',
      )
      .map((text) => Buffer.from(text)),
    fc
      .constantFrom('\r\n', '\n', '\r', '\0', ' ', '\t', '\r\n\r\n', '0\r\n\r\n', ';', 'GET / HTTP/1.1\r\n')
      .map((text) => Buffer.from(text)),
  ),
});
type Edit = typeof edit extends fc.Arbitrary<infer Value> ? Value : never;

const apply = (bytes: Buffer, { where, length, how, bytes: piece }: Edit): Buffer => {
  const at = where % (bytes.length + 1);
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  if (how === 'insert') return Buffer.concat([before, piece, after]);
  if (how === 'remove') return Buffer.concat([before, after.subarray(length)]);
  if (how === 'repeat') return Buffer.concat([before, after.subarray(0, length), after]);
  if (how === 'truncate') return before;
  const copy = Buffer.from(bytes);
  if (how === 'swap') copy.set(piece.subarray(0, copy.length - at), at);
  else if (at < copy.length) copy[at]! ^= 1 << (length % 8);
  return copy;
};

/** Up to `max` small damages to some bytes, as a function of them. */
export const damage = (max: number): fc.Arbitrary<(bytes: Buffer) => Buffer> =>
  fc.array(edit, { minLength: 1, maxLength: max }).map((edits) => (bytes) => edits.reduce(apply, bytes));
