import { fileURLToPath } from 'node:url';

/**
 * Path of a compiled module, to be run as a child process or worker. Not every supported version of Node can run
 * TypeScript, and under vitest the module that starts the child is TypeScript itself.
 * @param from `import.meta.url` of the starting module
 * @param entry name of the compiled file beside it, such as `child.js`
 */
export function compiledEntry(from: string, entry: string): string {
  const path = fileURLToPath(new URL(entry, from));
  return from.endsWith('.ts') ? path.replace(/(.*)([/\\])src\2/, '$1$2dist$2src$2') : path;
}
