import { createHash } from 'node:crypto';
import { codeDigest } from '../common/code-digest.ts';

/** SHA-256 of the converter's own files: a changed converter may produce different models from the same weights. */
export function converterDigest(): string {
  return codeDigest(new URL('.', import.meta.url));
}

/**
 * Key of a cached conversion: SHA-256 of the converter's digest and of everything that the result depends on. Values
 * are compared as JSON, so the order of fields in an architecture matters; at worst a model is converted once more.
 */
export function conversionKey(source: {
  readonly weightsSha256: string;
  readonly architecture: unknown;
  readonly inputSize: readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly noveltySha256?: string | undefined;
}): string {
  const { weightsSha256, architecture, inputSize, mean, std, noveltySha256 = null } = source;
  const parts = [converterDigest(), weightsSha256, architecture, inputSize, mean, std, noveltySha256];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
