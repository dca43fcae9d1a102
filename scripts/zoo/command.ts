/** One command of `npm run zoo --`. */
export interface Command {
  /** Name and arguments of the command, as typed after `npm run zoo --`. */
  readonly usage: string;
  /** What the command does, in one sentence. */
  readonly summary: string;
  /** Lines about the options, if there are any. */
  readonly help?: string;
  /**
   * @param args the arguments after the name of the command
   * @throws UsageError when the arguments are wrong
   */
  run(args: readonly string[]): Promise<void>;
}
