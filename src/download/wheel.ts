import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { DownloadError } from './download-error.ts';
import { runTool, ToolMissingError } from './run-tool.ts';

/** Ways to call pip, in the order in which they are tried. */
const PIPS = [['python3', '-m', 'pip'], ['python', '-m', 'pip'], ['pip3'], ['pip']] as const;

/**
 * Fetches a wheel from the Python registry with pip, which uses the index, proxies and certificates of the user.
 *
 * @param folder an empty folder
 * @returns the path of the wheel
 * @throws DownloadError when pip is missing or fails
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
    if (wheel === undefined) throw new DownloadError(`pip fetched no wheel for ${requirement}`);
    return join(folder, wheel);
  }
  throw new DownloadError(`${requirement} is fetched with pip, which is not installed here: install Python`);
}
