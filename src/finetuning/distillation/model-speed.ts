import type { TrainingModel } from '../features/feature-network.ts';
import { openLocalModel } from '../features/local-model.ts';

/** Images of one measurement: one batch. */
const IMAGES = 16;
/** Measurements of each model, after one that warms it up. */
const ROUNDS = 3;

/** Milliseconds that models take for an image in a full batch on one thread, measured in turns: the median of three. */
export async function measureModels(models: readonly TrainingModel[]): Promise<number[]> {
  const opened = models.map((model) => ({ model, session: openLocalModel(model, model.preprocessing) }));
  const times = models.map((): number[] => []);
  try {
    for (let round = 0; round <= ROUNDS; round++) {
      for (const [index, { model, session }] of opened.entries()) {
        const [height, width] = model.preprocessing.inputSize;
        const pixels = new Uint8Array(height * width * 3).fill(128);
        const began = performance.now();
        await Promise.all(Array.from({ length: IMAGES }, () => session.compute(pixels, 'features')));
        if (round > 0) times[index]?.push((performance.now() - began) / IMAGES);
      }
    }
  } finally {
    await Promise.all(opened.map(({ session }) => session.close()));
  }
  return times.map((each) => each.sort((a, b) => a - b)[Math.floor(each.length / 2)] ?? 0);
}
