import { messageOf } from '../../common/errors.ts';
import type { TrainingModel } from '../features/feature-network.ts';
import { openLocalModel } from '../features/local-model.ts';

/** How long backbones take for an image. */
export interface Latencies {
  /** Median milliseconds for one image on one thread, by the name of the backbone. */
  readonly byName: ReadonlyMap<string, number>;
  /** Backbones that could not be opened, and why. */
  readonly failed: readonly { readonly backbone: string; readonly reason: string }[];
}

const WARM_UPS = 2;
const ROUNDS = 15;

/**
 * Measures backbones side by side: each computes one image in turn, so that what else the machine does slows all of
 * them. Heads take too little time to be told apart.
 */
export async function measureLatencies(backbones: readonly TrainingModel[]): Promise<Latencies> {
  const failed: { backbone: string; reason: string }[] = [];
  const models = backbones.map((backbone) => ({ backbone, model: openLocalModel(backbone, backbone.preprocessing) }));
  const times = new Map<string, number[]>();
  try {
    for (const { backbone, model } of models) {
      await model.loaded.catch((thrown: unknown) =>
        failed.push({ backbone: backbone.name, reason: messageOf(thrown) }),
      );
    }
    const working = models.filter(({ backbone }) => failed.every((each) => each.backbone !== backbone.name));
    for (let round = 0; round < WARM_UPS + ROUNDS; round++) {
      for (const { backbone, model } of working) {
        const [height, width] = backbone.preprocessing.inputSize;
        const pixels = new Uint8Array(height * width * 3).fill(128);
        const start = performance.now();
        await model.compute(pixels, 'features');
        if (round < WARM_UPS) continue;
        times.set(backbone.name, [...(times.get(backbone.name) ?? []), performance.now() - start]);
      }
    }
  } finally {
    for (const { model } of models) await model.close();
  }
  return { byName: new Map([...times].map(([name, values]) => [name, median(values)])), failed };
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
}
