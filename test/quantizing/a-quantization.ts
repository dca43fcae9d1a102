import { createHash } from 'node:crypto';
import type { Quantization } from '../../src/quantizing/quantization-record.ts';

/** The record of a quantized model whose file has this content. */
export function quantizationOf(content: string): Quantization {
  return {
    made_at: '2026-01-01T00:00:00Z',
    method: 'mse',
    sha256: createHash('sha256').update(content).digest('hex'),
    size_bytes: content.length,
    float_size_bytes: 100,
    calibration_images: 8,
    images: 8,
    agreement: 1,
    max_probability_difference: 0,
    accuracy: null,
    speed: { float_ms: 2, int8_ms: 1, ratio: 2 },
  };
}
