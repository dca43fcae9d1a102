import { readFile } from 'node:fs/promises';
import { messageOf } from '../common/errors.ts';
import { nearestName } from '../common/nearest-name.ts';

/** A setting in a file, as text like in the environment. */
interface FiledSetting {
  readonly text: string;
  readonly line: number;
}

/** Settings of a file, by name. */
export interface SettingsFile {
  readonly path: string;
  readonly settings: Readonly<Record<string, FiledSetting>>;
}

/**
 * Reads settings from a YAML file: `PORT: 8080`, one on each line, under the names that the environment has for them.
 * Settings without a value are left out.
 * @param known the names that exist
 * @throws Error that names every wrong line and what would be right
 */
export async function readSettingsFile(path: string, known: readonly string[]): Promise<SettingsFile> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (thrown) {
    throw new Error(`the settings cannot be read: ${messageOf(thrown)}`);
  }
  // Loaded here, since most servers have no such file.
  const { isMap, isScalar, LineCounter, parseDocument } = await import('yaml');
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  const lineAt = (offset: number | undefined): number => lines.linePos(offset ?? 0).line;
  const faults = document.errors.map(({ pos: [offset], message }) => ({ line: lineAt(offset), fault: message }));
  const settings: Record<string, FiledSetting> = {};
  const { contents } = document;
  if (faults.length === 0 && contents !== null) {
    if (!isMap(contents)) throw new Error(`${path} must have one setting on each line, such as "PORT: 8080"`);
    for (const { key, value } of contents.items) {
      const name = isScalar(key) ? String(key.value) : '';
      const line = lineAt(isScalar(key) ? key.range?.[0] : contents.range?.[0]);
      if (!known.includes(name)) faults.push({ line, fault: unknownSetting(name, known) });
      else if (value === null || (isScalar(value) && (value.value === null || value.value === ''))) continue;
      else if (!isScalar(value)) faults.push({ line, fault: `${name} must be a text, a number, true or false` });
      else settings[name] = { text: String(value.value), line };
    }
  }
  if (faults.length === 0) return { path, settings };
  throw new Error(
    `settings are wrong:\n  ${faults.map(({ line, fault }) => `${path}:${line}: ${fault}`).join('\n  ')}`,
  );
}

/** Says that a setting does not exist, and which one was probably meant. */
function unknownSetting(name: string, known: readonly string[]): string {
  const nearest = nearestName(name, known);
  return nearest === undefined ? `there is no setting ${name}` : `there is no setting ${name}; is it ${nearest}?`;
}
