import { randomUUID } from 'node:crypto';
import { rename, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { errnoOf, UNFINISHED } from '../../common/durable-files.ts';
import { MODEL_NAME } from '../../registry/manifest.ts';
import { bytesUnder } from './bytes-under.ts';

/**
 * Removes a pulled or imported model, and what a pull of it left unfinished.
 * @returns the bytes that it had; undefined when there was nothing
 */
export async function removePulled(pulledDir: string, name: string): Promise<number | undefined> {
  if (!MODEL_NAME.test(name)) return undefined;
  let bytes: number | undefined;
  for (const folder of [join(pulledDir, name), join(pulledDir, '.pulling', name)]) {
    if (!(await stat(folder).catch(() => undefined))?.isDirectory()) continue;
    bytes = (bytes ?? 0) + (await bytesUnder(folder));
    // Out of the way in one step: nobody reads a model of which a part is gone.
    const aside = join(pulledDir, `.${name}.${randomUUID()}${UNFINISHED}`);
    try {
      await rename(folder, aside);
    } catch (thrown) {
      if (errnoOf(thrown) !== 'ENOENT') throw thrown;
    }
    await rm(aside, { recursive: true, force: true });
  }
  return bytes;
}
