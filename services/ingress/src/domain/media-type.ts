import { Fault } from '@tunan/kernel';

/** Longer than any real one; keeps the expression below from being asked about kilobytes of spaces. */
const TYPE_CHARS_MAX = 100;

/** Media types that are read as JSON in UTF-8, which is what JSON is (RFC 8259). */
const JSON_TYPE = /^application\/json *(?:; *charset *= *"?utf-?8"? *)?;? *$/i;

/**
 * Checks that a body is announced as something that is read here: JSON, UTF-8, not compressed.
 * @throws Fault `unsupported_media_type`
 */
export const checkMediaType = (
  contentType: string | undefined,
  contentEncoding: string | undefined,
): void => {
  // What every SDK sends, compared before anything is matched.
  if (contentType !== 'application/json' && !isJson(contentType ?? ''))
    throw new Fault(
      'unsupported_media_type',
      'Send the request body as Content-Type: application/json, in UTF-8.',
    );
  if (contentEncoding !== undefined && contentEncoding.toLowerCase() !== 'identity')
    throw new Fault('unsupported_media_type', 'Send the request body without a Content-Encoding.');
};

const isJson = (contentType: string): boolean =>
  contentType.length <= TYPE_CHARS_MAX && JSON_TYPE.test(contentType);
