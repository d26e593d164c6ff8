const GAP = '  ';

/** What a terminal must not get from data: control characters would let a name move the cursor. */
const printable = (text: string): string => text.replace(/\p{Cc}/gu, '�');

/** Length of the longest text. A loop, because the arguments of a function are limited and a ledger is not. */
const widest = (texts: readonly string[]): number =>
  texts.reduce((width, text) => Math.max(width, text.length), 0);

/** Rows under a head line, columns as wide as their widest cell, the columns of `right` aligned to the right. */
export const table = (
  head: readonly string[],
  rows: readonly (readonly string[])[],
  right: readonly string[] = [],
): string => {
  const lines = [head, ...rows.map((row) => row.map(printable))];
  const widths = head.map((_, column) => widest(lines.map((line) => line[column]!)));
  return lines
    .map((line) =>
      line
        .map((cell, column) =>
          right.includes(head[column]!) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
        )
        .join(GAP)
        .trimEnd(),
    )
    .join('\n');
};

/** Names and values, one pair per line. */
export const list = (pairs: readonly (readonly [string, string])[]): string => {
  const width = widest(pairs.map(([name]) => name));
  return pairs.map(([name, value]) => `${name.padEnd(width)}${GAP}${printable(value)}`.trimEnd()).join('\n');
};
