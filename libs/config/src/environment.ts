/** The process's environment. The one place that reads it; everything else is given what it needs. */
// eslint-disable-next-line no-restricted-properties -- this is the place that the rule points to
export const environment = (): Readonly<Record<string, string | undefined>> => ({ ...process.env });
