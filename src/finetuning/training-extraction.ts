import { trimCache } from './features/cache-folder.ts';
import { FeatureExtraction } from './features/feature-extraction.ts';
import { type FeatureNetwork, openTrainingNetwork } from './features/feature-network.ts';
import type { DistillationTask, InspectionTask } from './training-messages.ts';

/** Opens the cache of a network's features. */
export function openExtraction(
  { options, featureDir, shared, maxImagePixels }: InspectionTask | DistillationTask,
  network: FeatureNetwork,
): Promise<FeatureExtraction> {
  const { augmentation, seed } = options;
  return FeatureExtraction.open({
    network,
    augmentation,
    seed,
    cacheDir: featureDir,
    shared,
    maxPixels: maxImagePixels,
  });
}

/** Opens the backbone and the features' cache, and closes them when the features are there: they hold much memory. */
export async function withExtraction<T>(
  task: InspectionTask,
  use: (extraction: FeatureExtraction, network: FeatureNetwork) => Promise<T>,
): Promise<T> {
  const network = await openTrainingNetwork(task.options, task.backbone, task.workDir);
  try {
    const extraction = await openExtraction(task, network);
    try {
      return await use(extraction, network);
    } finally {
      extraction.close();
      await trimCache(task.featureDir, task.maxFeatureBytes);
    }
  } finally {
    await network.close();
  }
}
