import { describeSettings } from '../config.ts';

/** Characters of the column of names. */
const NAME_WIDTH = 22;
const LINE_WIDTH = 100;

/** All settings with defaults, ranges and descriptions, for `--help`. */
export function settingsHelp(): string {
  const lines = describeSettings().flatMap(({ name, defaultValue, range, description }) => {
    const facts = [range, defaultValue === '' ? '' : `default ${defaultValue}`].filter((fact) => fact !== '');
    const text = facts.length === 0 ? description : `${description} (${facts.join('; ')})`;
    return wrap(text, LINE_WIDTH - NAME_WIDTH - 2).map(
      (line, index) => `  ${(index === 0 ? name : '').padEnd(NAME_WIDTH)}${line}`,
    );
  });
  return ['Settings, as environment variables or in the file of --config:', ...lines].join('\n');
}

function wrap(text: string, width: number): string[] {
  const lines = [''];
  for (const word of text.split(' ')) {
    const line = lines.at(-1) ?? '';
    if (line === '') lines[lines.length - 1] = word;
    else if (line.length + 1 + word.length <= width) lines[lines.length - 1] = `${line} ${word}`;
    else lines.push(word);
  }
  return lines;
}
