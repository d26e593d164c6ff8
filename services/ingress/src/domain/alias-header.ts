/** The header that says by which name a model was asked for, if not by its public id. */
export const aliasHeader = (alias: string | undefined): Readonly<Record<string, string>> =>
  alias === undefined ? {} : { 'x-tunan-alias': encodeURIComponent(alias) };
