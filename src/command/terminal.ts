import { once } from 'node:events';
import { createInterface } from 'node:readline/promises';
import { messageOf } from '../common/errors.ts';
import { UsageError } from './usage-error.ts';

/**
 * What a command prints: results on standard output, everything else on standard error. With `--json`, standard output
 * gets one JSON document and nothing else.
 */
export class Terminal {
  /** Whether `--json` was given. */
  readonly json: boolean;

  constructor(json: boolean) {
    this.json = json;
  }

  /** Whether somebody can be asked. */
  get canAsk(): boolean {
    return process.stdin.isTTY === true;
  }

  /** A line for people on standard output; nothing with `--json`. */
  line(text = ''): void {
    if (!this.json) this.print(text);
  }

  /** The result for programs; nothing without `--json`. */
  document(value: unknown): void {
    if (this.json) this.print(JSON.stringify(value, null, 2));
  }

  /** A line on standard output in any case, such as the help. */
  print(text: string): void {
    process.stdout.write(`${text}\n`);
  }

  /** A line on standard error. */
  note(text: string): void {
    process.stderr.write(`${text}\n`);
  }

  /** Says why a command failed. The document has the stable code of the error, if it has one. */
  fail(thrown: unknown): void {
    const message = messageOf(thrown);
    this.note(message);
    if (thrown instanceof UsageError && thrown.help !== undefined) this.note(`\n${thrown.help}`);
    const code = thrown instanceof UsageError ? 'usage' : codeOf(thrown);
    this.document({ error: { code, message } });
  }

  /** Says that a signal ended the command. */
  interrupted(): void {
    this.note('interrupted');
    this.document({ error: { code: 'interrupted', message: 'interrupted' } });
  }

  /**
   * Asks a question that is answered with yes or no.
   * @throws UsageError when nobody can be asked
   */
  async confirm(question: string, signal: AbortSignal): Promise<boolean> {
    if (!this.canAsk) throw new UsageError('there is no terminal to ask on: add --yes');
    const asking = createInterface({ input: process.stdin, output: process.stderr });
    // The terminal hands Ctrl-C to the question, and not to the process.
    asking.once('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    try {
      // Ctrl-D closes the input: nobody said yes.
      const closed = once(asking, 'close').then(() => '');
      const answer = await Promise.race([asking.question(`${question} [y/N] `, { signal }), closed]);
      return /^y(es)?$/i.test(answer.trim());
    } catch (thrown) {
      signal.throwIfAborted();
      if (thrown instanceof Error && thrown.name === 'AbortError') return false;
      throw thrown;
    } finally {
      asking.close();
    }
  }
}

function codeOf(thrown: unknown): string {
  const code = thrown instanceof Error && 'code' in thrown ? thrown.code : undefined;
  return typeof code === 'string' ? code : 'failed';
}
