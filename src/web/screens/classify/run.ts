import { type Client, patiently } from '../../api/client.ts';
import type { Picture, PictureAnswer } from '../../session.ts';

/** Pictures in one request: few, so that answers come in bit by bit. */
const PICTURES_PER_REQUEST = 4;
/** Bytes in one request; a larger picture goes alone. */
const BYTES_PER_REQUEST = 16_000_000;
/** Requests under way at once. */
const PARALLEL_REQUESTS = 3;

export interface ClassificationRun {
  readonly client: Client;
  readonly pictures: readonly Picture[];
  readonly models: readonly string[];
  readonly topK: number;
  readonly signal: AbortSignal;
  /** Told after each answer, which stands in the picture by then. */
  readonly onAnswer: (picture: Picture) => void;
  /** Told when the server asks to wait. */
  readonly onWait: (seconds: number) => void;
}

/** Asks each model about each picture that it has not answered yet. Settles when all is answered or has failed. */
export async function classifyPictures(run: ClassificationRun): Promise<void> {
  const batches = batchesOf(run.pictures);
  // Picture by picture rather than model by model: one card is complete before the next begins.
  const tasks = batches
    .flatMap((pictures) => run.models.map((model) => ({ model, pictures: unanswered(pictures, model) })))
    .filter(({ pictures }) => pictures.length > 0)
    .values();
  const work = async (): Promise<void> => {
    for (const { model, pictures } of tasks) {
      if (run.signal.aborted) return;
      await ask(run, model, pictures);
    }
  };
  await Promise.all(Array.from({ length: PARALLEL_REQUESTS }, work));
}

async function ask(run: ClassificationRun, model: string, pictures: readonly Picture[]): Promise<void> {
  const answers = await answersOf(run, model, pictures);
  if (run.signal.aborted) return;
  pictures.forEach((picture, index) => {
    const answer = answers[index];
    if (answer) picture.answers.set(model, answer);
    run.onAnswer(picture);
  });
}

async function answersOf(
  { client, topK, signal, onWait }: ClassificationRun,
  model: string,
  pictures: readonly Picture[],
): Promise<PictureAnswer[]> {
  const form = pictures.map(({ file }) => ({ name: 'image', value: file }));
  const request = () => client.call('classify', { query: { model, top_k: topK }, form, signal });
  try {
    const { results, version } = await patiently(request, signal, onWait);
    return results.map((result) =>
      'error' in result ? { state: 'refused', result } : { state: 'answered', result, version },
    );
  } catch (error) {
    return pictures.map(() => ({ state: 'failed', error }));
  }
}

function unanswered(pictures: readonly Picture[], model: string): Picture[] {
  return pictures.filter(({ answers }) => !['answered', 'refused'].includes(answers.get(model)?.state ?? ''));
}

function batchesOf(pictures: readonly Picture[]): Picture[][] {
  const batches: Picture[][] = [];
  let bytes = 0;
  for (const picture of pictures) {
    const last = batches.at(-1);
    const { size } = picture.file;
    if (last === undefined || last.length === PICTURES_PER_REQUEST || bytes + size > BYTES_PER_REQUEST) {
      batches.push([picture]);
      bytes = size;
    } else {
      last.push(picture);
      bytes += size;
    }
  }
  return batches;
}
