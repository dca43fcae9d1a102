/** One command of `npm run zoo --`. */
export interface Command {
  /** The command's name and what it takes, as one types it behind `npm run zoo --`. */
  readonly usage: string;
  /** One line that says what it does. */
  readonly summary: string;
  /** @param args what stands behind the command's name. @throws UsageError; any other error is printed, and exits with 1 */
  run(args: string[]): Promise<void>;
}

/** The arguments make no sense: the message and the usage are printed, and the process exits with 2. */
export class UsageError extends Error {}
