import { spawn } from 'node:child_process';
import { DownloadError } from './download-error.ts';

/** Characters of the error output that are kept for the error message. */
const TAIL = 2_000;

/**
 * Runs a program without a shell.
 *
 * @returns its standard output
 * @throws ToolMissingError when it is not installed; DownloadError with its last line of error output when it fails;
 * the signal's reason
 */
export async function runTool(program: string, args: readonly string[], signal: AbortSignal): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], signal });
    let [output, complaint] = ['', ''];
    child.stdout.on('data', (chunk: Buffer) => {
      output += String(chunk);
    });
    child.stderr.on('data', (chunk: Buffer) => {
      complaint = (complaint + String(chunk)).slice(-TAIL);
    });
    child.on('error', (thrown) => {
      const missing = 'code' in thrown && thrown.code === 'ENOENT';
      reject(
        signal.aborted ? signal.reason : missing ? new ToolMissingError(`${program} is not installed here`) : thrown,
      );
    });
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new DownloadError(`${program} ${args[0]} failed: ${complaint.trim().split('\n').at(-1) ?? code}`));
    });
  });
}

/** The program is not installed. */
export class ToolMissingError extends DownloadError {}
