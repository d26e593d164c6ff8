import pg from 'pg';
import type { CustomTypesConfig } from 'pg';

const INT8 = 20;
const INT8_ARRAY = 1016;

const toBigint = (text: string): bigint => BigInt(text);

/** The driver's own parser: an array of decimal strings and nulls. */
const parseInt8Texts = (
  pg.types.getTypeParser as (oid: number, format: 'text') => (text: string) => (string | null)[]
)(INT8_ARRAY, 'text');

const toBigints = (text: string): (bigint | null)[] =>
  parseInt8Texts(text).map((element) => (element === null ? null : BigInt(element)));

/** Type parsers of our connections: 64-bit integers as `bigint`, everything else as the driver has it. */
export const typesWithBigint: CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') => {
    if (format !== 'binary') {
      if (oid === INT8) return toBigint;
      if (oid === INT8_ARRAY) return toBigints;
    }
    return pg.types.getTypeParser(oid, format as 'text');
  }) as CustomTypesConfig['getTypeParser'],
};
