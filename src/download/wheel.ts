import { createWriteStream } from 'node:fs';
import { open, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileBytes, openZip } from '../common/open-zip.ts';
import { DownloadError } from './download-error.ts';
import { runTool, ToolMissingError } from './run-tool.ts';

/** How pip may be called, in the order in which it is tried. */
const PIPS = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

/**
 * Fetches a wheel of the Python registry by pip, so that its index, proxies and certificates are the user's own.
 * @param folder an empty folder @returns the wheel's path
 * @throws DownloadError when there is no pip, or with what pip said
 */
export async function fetchWheel(requirement: string, folder: string, signal: AbortSignal): Promise<string> {
  const args = ['download', '--no-deps', '--only-binary', ':all:', '--disable-pip-version-check', '--dest', folder];
  for (const [program, ...before] of PIPS) {
    try {
      await runTool(program, [...before, ...args, requirement], signal);
    } catch (thrown) {
      if (thrown instanceof ToolMissingError || /No module named pip/.test(String(thrown))) continue;
      throw thrown;
    }
    const wheel = (await readdir(folder)).find((name) => name.endsWith('.whl'));
    if (wheel === undefined) throw new DownloadError(`pip fetched no wheel of ${requirement}`);
    return join(folder, wheel);
  }
  throw new DownloadError(
    `${requirement} comes from the Python registry by pip, and there is no pip here: install Python`,
  );
}

/** Writes one file of a zip to a new place. @throws DownloadError when the zip has no such file */
export async function extractFromZip(zipPath: string, name: string, target: string): Promise<void> {
  const handle = await open(zipPath);
  try {
    const zip = await openZip(await fileBytes(handle), { autoClose: false });
    for await (const entry of zip.eachEntry()) {
      if (entry.fileName !== name) continue;
      await pipeline(await zip.openReadStreamPromise(entry), createWriteStream(target, { flags: 'wx', flush: true }));
      return;
    }
  } finally {
    await handle.close();
  }
  throw new DownloadError(`${basename(zipPath)} has no file ${name}`);
}
