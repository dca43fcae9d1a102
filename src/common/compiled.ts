import { fileURLToPath } from 'node:url';

/**
 * The compiled JavaScript beside a module, for a child process or a worker to run: plain Node cannot run TypeScript on
 * every version that the project supports, but the module that starts the child may itself be TypeScript, under vitest.
 * @param from `import.meta.url` of the starting module
 * @param entry file name beside it, such as `child.js`
 */
export function compiledEntry(from: string, entry: string): string {
  const path = fileURLToPath(new URL(entry, from));
  return from.endsWith('.ts') ? path.replace(/(.*)([/\\])src\2/, '$1$2dist$2src$2') : path;
}
