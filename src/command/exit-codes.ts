/** What the process exits with. `menagerie --help` lists them. */
export const EXIT_CODES = {
  /** Everything was done. */
  done: 0,
  /** It failed; the message says why. */
  failed: 1,
  /** Wrong arguments or settings; nothing was done. */
  usage: 2,
  /** Done, except for images that could not be read. */
  partial: 3,
} as const;

/** One of the codes above; a signal makes 128 plus its number. */
export type ExitCode = (typeof EXIT_CODES)[keyof typeof EXIT_CODES];
