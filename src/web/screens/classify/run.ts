import type { Client } from '../../api/client.ts';
import { patiently } from '../../api/patience.ts';
import type { RequestError } from '../../api/problem.ts';
import type { PictureAnswer, SessionPicture } from '../../session.ts';

/** Images in one request: few, so that results appear bit by bit. */
const PICTURES_PER_REQUEST = 4;
/** Bytes in one request; a larger image is sent alone. */
const BYTES_PER_REQUEST = 16_000_000;
/** Requests at a time. */
const PARALLEL_REQUESTS = 3;

export interface ClassificationRun {
  readonly client: Client;
  readonly pictures: readonly SessionPicture[];
  readonly models: readonly string[];
  readonly topK: number;
  /** Whether the classes of a model have synsets, so that it can say what lies above them. */
  readonly hasHierarchy: (model: string) => boolean;
  readonly signal: AbortSignal;
  /** Called when a result has been stored in the picture. */
  readonly onAnswer: (picture: SessionPicture) => void;
  /** Called when the server asks to wait. */
  readonly onWait: (seconds: number, reason: RequestError) => void;
}

/** Classifies each image with each model that has no result for it yet. Resolves when all have a result or failed. */
export async function classifyPictures(run: ClassificationRun): Promise<void> {
  const batches = batchesOf(run.pictures);
  // Image by image rather than model by model, so that the cards are completed in order.
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

async function ask(run: ClassificationRun, model: string, pictures: readonly SessionPicture[]): Promise<void> {
  const answers = await answersOf(run, model, pictures);
  if (run.signal.aborted) return;
  pictures.forEach((picture, index) => {
    const answer = answers[index];
    if (answer) picture.answers.set(model, answer);
    run.onAnswer(picture);
  });
}

async function answersOf(
  { client, topK, hasHierarchy, signal, onWait }: ClassificationRun,
  model: string,
  pictures: readonly SessionPicture[],
): Promise<PictureAnswer[]> {
  const form = pictures.map(({ file }) => ({ name: 'image', value: file }));
  const query = { model, top_k: topK, ...(hasHierarchy(model) && { hierarchy: true }) };
  const request = () => client.call('classify', { query, form, signal });
  try {
    const { results, version } = await patiently(request, signal, onWait);
    return results.map((result) =>
      'error' in result ? { state: 'refused', result } : { state: 'answered', result, version },
    );
  } catch (error) {
    return pictures.map(() => ({ state: 'failed', error }));
  }
}

function unanswered(pictures: readonly SessionPicture[], model: string): SessionPicture[] {
  return pictures.filter(({ answers }) => !['answered', 'refused'].includes(answers.get(model)?.state ?? ''));
}

function batchesOf(pictures: readonly SessionPicture[]): SessionPicture[][] {
  const batches: SessionPicture[][] = [];
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
