import { nearestName } from '../common/nearest-name.ts';

/** Programs and people name variables after the program that reads them; ours have no such prefix. */
const PREFIX = 'MENAGERIE_';
/** What Kubernetes sets in every container for a service that is called "menagerie". */
const SERVICE_LINK = /^MENAGERIE_(?:\w+_)?(?:SERVICE_(?:HOST|PORT)|PORT(?:_\d+_(?:TCP|UDP))?)(?:_\w+)?$/;
/** npm passes its own configuration to what it runs. */
const OTHERS = /^npm_/;

/** A variable that looks like a setting, and the setting that it is probably meant to be. */
export interface UnknownSetting {
  readonly name: string;
  readonly nearest: string | undefined;
}

/**
 * Finds variables that are meant for this program and that it does not read: those with its name before them, and those
 * that are spelled nearly like a setting, or share two words with one. Any other variable belongs to other programs.
 * Values are not looked at.
 */
export function unknownSettings(
  environment: Readonly<Record<string, string | undefined>>,
  known: readonly string[],
): UnknownSetting[] {
  return Object.keys(environment)
    .filter((name) => !known.includes(name) && !OTHERS.test(name) && !SERVICE_LINK.test(name))
    .flatMap((name) => {
      const isNamedAfterUs = name.toUpperCase().startsWith(PREFIX);
      const nearest = nearestName(isNamedAfterUs ? name.slice(PREFIX.length) : name, known);
      return isNamedAfterUs || nearest !== undefined ? [{ name, nearest }] : [];
    });
}
