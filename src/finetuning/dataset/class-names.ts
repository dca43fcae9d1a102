import { AppError } from '../../common/errors.ts';
import { type DatasetWarning, type LabelledImages, labelText } from './dataset-layout.ts';
import { shallowest } from './find-tables.ts';
import type { SourceFile } from './image-source.ts';
import { baseName, type TableReading } from './read-label-table.ts';
import { tableText } from './table-text.ts';

const NAMES_FILE = /(?:^|\/)(?:class(?:es|_?names)?|label(?:s|_?names)|names|categories)\.(?:txt|names)$/i;
const NAMES_JSON = /(?:name|label|class|categor|map)[^/]*\.json$/i;
/** Larger files hold something else. */
const MAX_BYTES = 256 * 1024;
const MAX_EXAMPLES = 3;

/**
 * Names classes that are numbers, in a table or as folders, by a file beside them: `classes.txt` with a name in each
 * line, `cat_to_name.json` with a name for each number. The file must name every number; without numbers of its own it
 * counts from 0, or from 1 when that is the first class and the last one is the last line.
 */
export async function withClassNames(reading: TableReading, labelled: LabelledImages): Promise<LabelledImages> {
  const numbers = new Set(labelled.files.map(({ label }) => label));
  if (numbers.size < 2 || ![...numbers].every((label) => /^\d{1,6}$/.test(label))) return labelled;
  const files = [...shallowest(reading.files, NAMES_FILE), ...shallowest(reading.files, NAMES_JSON)];
  for (const file of files.filter(({ bytes }) => bytes <= MAX_BYTES)) {
    const names = await namesIn(reading, file, [...numbers].map(Number));
    const nameOf = (label: string) => labelText(names.get(Number(label)) ?? '');
    if (![...numbers].every((label) => nameOf(label) !== '')) continue;
    return {
      ...labelled,
      files: labelled.files.map((each) => ({ ...each, label: nameOf(each.label) })),
      ...(labelled.synsets && {
        synsets: new Map([...labelled.synsets].map(([label, synset]) => [nameOf(label), synset])),
      }),
      warnings: [...labelled.warnings, named(file, [...numbers], nameOf)],
    };
  }
  return labelled;
}

/** Names by number; none when the file says something else. */
async function namesIn(
  { source, encoding }: TableReading,
  file: SourceFile,
  numbers: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  try {
    const { text } = tableText(await source.read(file), encoding);
    if (/\.json$/i.test(file.name)) return namesOfJson(JSON.parse(text), numbers);
    return namesOfLines(
      text.split(/\r\n?|\n/).flatMap((line) => (line.trim() === '' ? [] : [line.trim()])),
      numbers,
    );
  } catch (thrown) {
    if (thrown instanceof AppError || thrown instanceof SyntaxError || thrown instanceof TypeError) return new Map();
    throw thrown;
  }
}

function namesOfJson(document: unknown, numbers: readonly number[]): ReadonlyMap<number, string> {
  if (typeof document !== 'object' || document === null) return new Map();
  if (Array.isArray(document))
    return counted(
      document.filter((name) => typeof name === 'string'),
      numbers,
    );
  return new Map(
    Object.entries(document).flatMap(([key, value]): [number, string][] => {
      if (typeof value === 'string' && /^\d+$/.test(key)) return [[Number(key), value]];
      return typeof value === 'number' ? [[value, key]] : [];
    }),
  );
}

function namesOfLines(lines: readonly string[], numbers: readonly number[]): ReadonlyMap<number, string> {
  const pairs = lines.map((line) => /^(\d+)[\s:,;]+(.*\S)$/.exec(line));
  if (pairs.every((pair) => pair !== null))
    return new Map(pairs.map(([, number, name]) => [Number(number), name ?? '']));
  return counted(lines, numbers);
}

function counted(names: readonly string[], numbers: readonly number[]): ReadonlyMap<number, string> {
  const first = Math.min(...numbers) === 1 && Math.max(...numbers) === names.length ? 1 : 0;
  return new Map(names.map((name, index) => [index + first, name]));
}

function named(file: SourceFile, numbers: readonly string[], nameOf: (label: string) => string): DatasetWarning {
  const shown = numbers.slice(0, MAX_EXAMPLES).map((label) => `${label} is ${JSON.stringify(nameOf(label))}`);
  return {
    code: 'class_names',
    message: `the classes are numbers, and ${baseName(file)} names them: ${shown.join(', ')}`,
    context: {
      file: file.name,
      classes: Object.fromEntries(numbers.slice(0, 20).map((label) => [label, nameOf(label)])),
    },
  };
}
