import { createHash } from 'node:crypto';
import { codeDigest } from '../common/code-digest.ts';

/** SHA-256 over the converter's own files: another converter may make other models of the same weights. */
export function converterDigest(): Promise<string> {
  return codeDigest(new URL('.', import.meta.url));
}

/**
 * Key of a cached conversion: SHA-256 of the converter's digest and of all that decides what it makes. Values are taken
 * as JSON, so the order of an architecture's fields matters; the worst of that is a conversion too many.
 */
export async function conversionKey(source: {
  readonly weightsSha256: string;
  readonly architecture: unknown;
  readonly inputSize: readonly number[];
  readonly mean: readonly number[];
  readonly std: readonly number[];
}): Promise<string> {
  const { weightsSha256, architecture, inputSize, mean, std } = source;
  const parts = [await converterDigest(), weightsSha256, architecture, inputSize, mean, std];
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
