import { homedir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { isCheckout } from '../common/package-files.ts';

/** Where the program runs, as far as its data's place depends on it. */
interface Place {
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly platform: NodeJS.Platform;
  readonly home: string;
  readonly checkout: boolean;
}

/**
 * Where data is kept unless `DATA_DIR` says otherwise: `./data` in a checkout; where the data of the user's programs is
 * kept for an installed command, which runs in any folder and finds its models again.
 */
export function defaultDataDir(
  environment: Place['environment'],
  { platform, home, checkout }: Omit<Place, 'environment'> = {
    platform: process.platform,
    home: homedir(),
    checkout: isCheckout(),
  },
): string {
  if (checkout) return 'data';
  const named = environment[platform === 'win32' ? 'LOCALAPPDATA' : 'XDG_DATA_HOME'];
  // A relative one is to be ignored: https://specifications.freedesktop.org/basedir-spec/latest/
  if (named !== undefined && isAbsolute(named)) return join(named, 'menagerie');
  if (platform === 'win32') return join(home, 'AppData', 'Local', 'menagerie');
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'menagerie');
  return join(home, '.local', 'share', 'menagerie');
}
