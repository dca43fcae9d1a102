/** Wrong arguments or settings: the process exits with `EXIT_CODES.usage`. */
export class UsageError extends Error {
  /** How it is done right, printed below the message. */
  readonly help: string | undefined;

  constructor(message: string, help?: string) {
    super(message);
    this.name = 'UsageError';
    this.help = help;
  }
}
