/** Values of Kingma & Ba 2015. */
const BETA1 = 0.9;
const BETA2 = 0.999;
const EPSILON = 1e-8;

/** Optimizer of one array of parameters. */
export interface AdamW {
  /** Updates the parameters in place. */
  step(parameters: Float32Array, gradient: Float32Array, learningRate: number): void;
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019, algorithm 2) for `size` parameters. It is one loop over
 * plain arrays: as a chain of fourteen tensor operations it takes longer than the matrix products of the layer.
 */
export function createAdamW(size: number, weightDecay: number): AdamW {
  const first = new Float32Array(size);
  const second = new Float32Array(size);
  let power1 = 1;
  let power2 = 1;
  return {
    step(parameters, gradient, learningRate) {
      power1 *= BETA1;
      power2 *= BETA2;
      const correction = Math.sqrt(1 - power2);
      const rate = (learningRate * correction) / (1 - power1);
      const epsilon = EPSILON * correction;
      const keep = 1 - learningRate * weightDecay;
      for (let i = 0; i < size; i++) {
        const g = gradient[i] ?? 0;
        const m = BETA1 * (first[i] ?? 0) + (1 - BETA1) * g;
        const v = BETA2 * (second[i] ?? 0) + (1 - BETA2) * g * g;
        first[i] = m;
        second[i] = v;
        parameters[i] = (parameters[i] ?? 0) * keep - (rate * m) / (Math.sqrt(v) + epsilon);
      }
    },
  };
}

/** Cosine schedule from `peak` at step 0 to 0 at step `total` (Loshchilov & Hutter 2017, without restarts). */
export function cosineRate(peak: number, step: number, total: number): number {
  return (peak * (1 + Math.cos((Math.PI * step) / total))) / 2;
}
