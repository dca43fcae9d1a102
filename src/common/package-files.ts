import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** The folder of package.json, whether this file runs from `src` or from `dist/src`, of a checkout or installed. */
function packageRoot(): string {
  let folder = import.meta.dirname;
  while (!existsSync(join(folder, 'package.json'))) {
    const parent = dirname(folder);
    if (parent === folder) throw new Error(`no package.json above ${import.meta.dirname}`);
    folder = parent;
  }
  return folder;
}

/** Path of a file or folder that belongs to the package, by its path beside package.json. */
export function packageFile(...parts: readonly string[]): string {
  return join(packageRoot(), ...parts);
}

/** Whether this runs from a checkout, which has the sources; a package that npm has installed has none. */
export function isCheckout(): boolean {
  return existsSync(packageFile('src'));
}

/** Version in package.json. */
export async function packageVersion(): Promise<string> {
  const { version } = JSON.parse(await readFile(packageFile('package.json'), 'utf8')) as { version: string };
  return version;
}
