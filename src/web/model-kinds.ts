import type { ModelCard, ModelSummary } from './api/schema.ts';

/** Whether a model names classes: a backbone alone has none, and can only be taught. */
export function isClassifier({ num_classes }: ModelSummary): boolean {
  return num_classes > 0;
}

/** Whether a model was made by a training of this server. */
export function isFineTuned({ report, provenance }: ModelCard): boolean {
  return report !== undefined || provenance !== undefined;
}
