// eslint-disable-next-line no-restricted-properties -- this is the place that the rule points to
const variables = process.env;

/**
 * The process's environment, without variables that are empty: they count as unset. The one place that reads it;
 * everything else is given what it needs.
 */
export const environment = (): Readonly<Record<string, string | undefined>> =>
  Object.fromEntries(Object.entries(variables).filter(([, value]) => value !== ''));
