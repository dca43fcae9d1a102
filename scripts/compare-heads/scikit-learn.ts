import { type ExecFileException, execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { z } from 'zod';
import type { Samples } from '../../src/finetuning/features/feature-set.ts';

const SCRIPT = fileURLToPath(new URL('../../../scripts/compare-heads/logistic_regression.py', import.meta.url));

const answerSchema = z.array(z.object({ name: z.string(), correct: z.number().int() }));

/**
 * Trains scikit-learn's logistic regressions on `train` and counts their correct predictions for `test`.
 *
 * @throws when `python` has no scikit-learn
 */
export async function logisticRegressions(
  python: string,
  train: Samples,
  test: Samples,
): Promise<z.output<typeof answerSchema>> {
  const folder = await mkdtemp(join(tmpdir(), 'compare-heads-'));
  try {
    await writeFile(
      join(folder, 'shape.json'),
      JSON.stringify({ dimension: train.features.length / train.labels.length }),
    );
    for (const [name, { features, labels }] of Object.entries({ train, test })) {
      await writeFile(join(folder, `${name}.f32`), bytesOf(features));
      await writeFile(join(folder, `${name}.i32`), bytesOf(labels));
    }
    const { stdout } = await promisify(execFile)(python, [SCRIPT, folder]).catch((thrown: ExecFileException) => {
      const reason = (thrown.stderr ?? '').trim().split('\n').at(-1) || thrown.message;
      throw new Error(`${python} could not run scikit-learn: ${reason}`);
    });
    return answerSchema.parse(JSON.parse(stdout));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Int32Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
