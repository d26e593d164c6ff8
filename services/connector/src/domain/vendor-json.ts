/** A JSON string, or a number literal that JavaScript and Python write and JSON does not have. */
const STRING_OR_NOT_A_NUMBER = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;

/**
 * Parses JSON of a vendor. `NaN` and `Infinity` are read as −1, which no count accepts: an answer is not worth less
 * because the figures beside it are nonsense.
 * @throws SyntaxError if the text is not JSON even so
 */
export const parseVendorJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch (error) {
    const repaired = text.replaceAll(STRING_OR_NOT_A_NUMBER, (token) =>
      token.startsWith('"') ? token : '-1',
    );
    if (repaired === text) throw error;
    return JSON.parse(repaired);
  }
};
