import type { PictureAnswer, SessionPicture } from '../../session.ts';
import { surenessOf } from '../../sureness.ts';

const COLUMNS = [
  'file',
  'model',
  'version',
  'answer',
  'sureness',
  'score',
  'synset',
  'second',
  'second_score',
  'error',
] as const;

/** All results as a CSV table (RFC 4180): a row for each image and model. */
export function asCsv(pictures: readonly SessionPicture[], models: readonly string[]): string {
  const rows = each(pictures, models, ({ file }, model, answer) => {
    if (answer.state !== 'answered') {
      return [file.name, model, '', '', '', '', '', '', '', reasonOf(answer)];
    }
    const { result, version } = answer;
    const [first, second] = result.predictions;
    const sureness = surenessOf(result);
    return [
      file.name,
      model,
      version,
      sureness === 'unknown' ? 'unknown' : (first?.label ?? ''),
      sureness,
      first?.score ?? '',
      first?.synset ?? '',
      second?.label ?? '',
      second?.score ?? '',
      '',
    ];
  });
  return [COLUMNS, ...rows].map((row) => `${row.map(cell).join(',')}\r\n`).join('');
}

/** All results as JSON: the predictions as the server sent them. */
export function asJson(pictures: readonly SessionPicture[], models: readonly string[]): string {
  const rows = each(pictures, models, ({ file }, model, answer) => {
    if (answer.state !== 'answered') return { file: file.name, model, error: reasonOf(answer) };
    const { result, version } = answer;
    const { predictions, unknown, novelty } = result;
    return { file: file.name, model, version, sureness: surenessOf(result), unknown, novelty, predictions };
  });
  return `${JSON.stringify(rows, null, 2)}\n`;
}

function each<T>(
  pictures: readonly SessionPicture[],
  models: readonly string[],
  row: (picture: SessionPicture, model: string, answer: PictureAnswer) => T,
): T[] {
  return pictures.flatMap((picture) =>
    models.flatMap((model) => {
      const answer = picture.answers.get(model);
      return answer === undefined ? [] : [row(picture, model, answer)];
    }),
  );
}

function reasonOf(answer: Exclude<PictureAnswer, { state: 'answered' }>): string {
  if (answer.state === 'refused') return answer.result.error.detail;
  return answer.error instanceof Error ? answer.error.message : String(answer.error);
}

/** A cell in quotes. One that a spreadsheet would compute, such as a file called `=1+1.png`, is marked as text. */
function cell(value: string | number): string {
  const text = typeof value === 'string' && /^[=+\-@\t\r]/.test(value) ? `'${value}` : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
