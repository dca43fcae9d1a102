import { spawn } from 'node:child_process';
import { DownloadError } from './download-error.ts';

/** Characters of a tool's output that are kept for the error. */
const TAIL = 2_000;

/**
 * Runs a program without a shell and gives what it printed.
 * @throws DownloadError when it is not installed, or with the end of what it said; the signal's reason
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
      reject(signal.aborted ? signal.reason : missing ? new ToolMissingError(`there is no ${program} here`) : thrown);
    });
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new DownloadError(`${program} ${args[0]} failed: ${complaint.trim().split('\n').at(-1) ?? code}`));
    });
  });
}

/** The program is not installed. */
export class ToolMissingError extends DownloadError {}
