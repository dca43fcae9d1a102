import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** Why a suite is skipped when `sharedPath` finds nothing; show it in the suite's name. */
export const SHARED_ABSENT = 'skipped: there is no ../shared folder beside the project';

/** A path in the `shared` folder beside the project, or undefined where it is absent. */
export function sharedPath(...parts: string[]): string | undefined {
  const path = fileURLToPath(new URL(['../../shared', ...parts].join('/'), import.meta.url));
  return existsSync(path) ? path : undefined;
}
