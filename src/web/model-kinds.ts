import type { ModelCard, ModelSummary } from './api/schema.ts';

/** Whether a model has classes. A backbone has none, and can only be fine-tuned. */
export function isClassifier({ num_classes }: ModelSummary): boolean {
  return num_classes > 0;
}

/** Whether a model was fine-tuned on this server. */
export function isFineTuned({ report, provenance }: ModelCard): boolean {
  return report !== undefined || provenance !== undefined;
}
