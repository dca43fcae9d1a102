import type { Job, ModelSummary } from '../../api/schema.ts';

/**
 * The version that was trained last and is still there, for example `flowers@2`.
 * @param jobs newest first
 */
export function lastTrained(models: readonly ModelSummary[], jobs: readonly Job[]): string | undefined {
  for (const { state, result } of jobs) {
    if (state !== 'succeeded' || result === null || 'quantization' in result) continue;
    const { model, version } = result;
    if (models.some(({ id, versions }) => id === model && versions.includes(version))) return `${model}@${version}`;
  }
  return undefined;
}
