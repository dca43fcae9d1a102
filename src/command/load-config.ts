import type { Logger } from '../common/logger.ts';
import { type Config, readConfig, SETTING_NAMES } from '../config.ts';
import { readSettingsFile } from '../settings/settings-file.ts';
import { unknownSettings } from '../settings/unknown-settings.ts';

/**
 * Reads the settings of the environment, and of a file where one is named; the environment comes first.
 * @param path a YAML file @throws Error that names every wrong setting
 */
export async function loadConfig(
  environment: Readonly<Record<string, string | undefined>>,
  path: string | undefined,
): Promise<Config> {
  return readConfig(environment, path === undefined ? undefined : await readSettingsFile(path, SETTING_NAMES));
}

/** Logs variables of the environment that look like settings and are none. */
export function warnOfUnknownSettings(environment: Readonly<Record<string, string | undefined>>, logger: Logger): void {
  for (const { name, nearest } of unknownSettings(environment, SETTING_NAMES)) {
    const hint = nearest === undefined ? 'menagerie serve --help lists all settings' : `is it ${nearest}?`;
    logger.warn({ name, nearest }, `there is no setting ${name}, and it is not used; ${hint}`);
  }
}
