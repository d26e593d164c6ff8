/** A command that could not be carried out: one line for people, exit status 1. */
export class CommandError extends Error {
  override readonly name = 'CommandError';

  constructor(
    message: string,
    /** True if the platform may have done it all the same: no answer came, or one that leaves it open. */
    readonly outcomeUnknown = false,
  ) {
    super(message);
  }
}

/** A command line that is no command: one line that says what is wrong, exit status 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}
