import type { LastStage, LayerValues } from '../../convert/transfer/last-stage.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type AdamW, createAdamW } from '../head/adamw.ts';
import { backward, computeLogits, copyLayer, type DenseLayer, forward, inputGradient } from '../head/dense-layers.ts';
import {
  foldStandardization,
  type Standardization,
  unfoldGradient,
  unfoldStandardization,
} from '../head/standardization.ts';
import { StageNetwork } from './stage-network.ts';

/** The loss of a batch, its gradient by the logits, and the number of right answers. */
export interface Judged {
  readonly loss: number;
  readonly gradient: Float32Array;
  readonly correct: number;
}

/** Input of one step. */
export interface StageBatch {
  /** Features of the samples as they were before training, `[rows, dimension]`. */
  readonly features: Float32Array;
  /** Maps that enter the stage, `[rows, height, width, channels]`. */
  readonly maps: Float32Array;
  readonly rows: number;
}

/** A stage and a head as values. */
export interface TrainedStage {
  /** For features that are not standardised. */
  readonly layers: readonly DenseLayer[];
  readonly stage: ReadonlyMap<string, LayerValues>;
}

/** Decoupled decay of the stage's weights: small, since they are trained already. */
const STAGE_DECAY = 0.01;

/**
 * Trains the last stage of a network and a head on it together, with AdamW. The head has its own, higher learning rate
 * (discriminative fine-tuning, Howard & Ruder 2018), and its first layer is trained on standardised features, as alone.
 */
export class JointDescent {
  readonly #tf: TensorFlow;
  readonly #network: StageNetwork;
  readonly #standardization: Standardization;
  readonly #head: DenseLayer[];
  readonly #headOptimizers: readonly { readonly weight: AdamW; readonly bias: AdamW }[];
  readonly #stageOptimizers = new Map<string, { readonly weight: AdamW; readonly bias: AdamW }>();
  /** Columns of the features that the stage computes: the last ones. */
  readonly #computed: number;

  constructor(
    tf: TensorFlow,
    stage: LastStage,
    head: readonly DenseLayer[],
    standardization: Standardization,
    weightDecay: number,
  ) {
    this.#tf = tf;
    this.#network = new StageNetwork(tf, stage);
    this.#standardization = standardization;
    this.#head = head.map((layer, index) =>
      index === 0 ? unfoldStandardization(layer, standardization) : copyLayer(layer),
    );
    this.#headOptimizers = head.map(({ weight, bias }) => ({
      weight: createAdamW(weight.length, weightDecay),
      bias: createAdamW(bias.length, 0),
    }));
    for (const [name, { weight, bias }] of this.#network.parameters) {
      this.#stageOptimizers.set(name, {
        weight: createAdamW(weight.length, STAGE_DECAY),
        bias: createAdamW(bias?.length ?? 0, 0),
      });
    }
    this.#computed = stage.outputs.reduce((sum, { shape }) => sum + shape.length, 0);
  }

  /** Takes one step. @returns the loss before it */
  step(
    batch: StageBatch,
    judge: (logits: Float32Array) => Judged,
    rates: { readonly head: number; readonly stage: number },
  ): Omit<Judged, 'gradient'> {
    const { rows } = batch;
    const pass = this.#network.forward(batch.maps, rows);
    const features = this.#replaced(batch, pass.outputs);
    const layers = this.#folded();
    const { loss, correct, gradients, byFeatures } = this.#throughHead(layers, features, rows, judge);
    const stageGradients = this.#network.backward(pass, this.#outputGradients(byFeatures, rows, pass.outputs));
    gradients.forEach((folded, index) => {
      const layer = this.#head[index];
      const optimizer = this.#headOptimizers[index];
      if (!layer || !optimizer) throw new Error('there must be one gradient for each layer');
      const { weight, bias } = index === 0 ? unfoldGradient(folded, this.#standardization) : folded;
      optimizer.weight.step(layer.weight, weight, rates.head);
      optimizer.bias.step(layer.bias, bias, rates.head);
    });
    for (const [name, { weight, bias }] of this.#network.parameters) {
      const gradient = stageGradients.get(name);
      const optimizer = this.#stageOptimizers.get(name);
      if (!gradient || !optimizer) continue;
      optimizer.weight.step(weight, gradient.weight, rates.stage);
      if (bias) optimizer.bias.step(bias, gradient.bias, rates.stage);
    }
    return { loss, correct };
  }

  #throughHead(
    layers: readonly DenseLayer[],
    features: Float32Array,
    rows: number,
    judge: (logits: Float32Array) => Judged,
  ) {
    const tf = this.#tf;
    const [first] = layers;
    if (first === undefined) throw new Error('a head has at least one layer');
    // Not `tf.tidy`, which looks for tensors in every element of an array that is returned.
    const scope = tf.engine();
    scope.startScope();
    try {
      const pass = forward(tf, layers, features, rows);
      const judged = judge(pass.logits);
      const { layers: gradients, delta } = backward(tf, layers, pass, judged.gradient);
      return { ...judged, gradients, byFeatures: inputGradient(tf, first, delta) };
    } finally {
      scope.endScope();
    }
  }

  /** Features of samples, with the columns that the stage computes. */
  features(batch: StageBatch): Float32Array {
    return this.#replaced(batch, this.#network.forward(batch.maps, batch.rows).outputs);
  }

  /** Logits of samples, `[rows, classes]`. */
  logits(batch: StageBatch): Float32Array {
    return computeLogits(this.#tf, this.#folded(), this.features(batch));
  }

  /** A copy of the present values. */
  trained(): TrainedStage {
    return { layers: this.#folded().map(copyLayer), stage: this.#network.layerValues() };
  }

  #folded(): DenseLayer[] {
    return this.#head.map((layer, index) => (index === 0 ? foldStandardization(layer, this.#standardization) : layer));
  }

  /** The features with the columns that the stage has computed. */
  #replaced({ features, rows }: StageBatch, outputs: readonly Float32Array[]): Float32Array {
    const result = features.slice();
    const dimension = features.length / rows;
    let offset = dimension - this.#computed;
    for (const output of outputs) {
      const width = output.length / rows;
      for (let row = 0; row < rows; row++) {
        result.set(output.subarray(row * width, (row + 1) * width), row * dimension + offset);
      }
      offset += width;
    }
    return result;
  }

  #outputGradients(byFeatures: Float32Array, rows: number, outputs: readonly Float32Array[]): Float32Array[] {
    const dimension = byFeatures.length / rows;
    let offset = dimension - this.#computed;
    return outputs.map(({ length }) => {
      const width = length / rows;
      const gradient = new Float32Array(length);
      for (let row = 0; row < rows; row++) {
        const start = row * dimension + offset;
        gradient.set(byFeatures.subarray(start, start + width), row * width);
      }
      offset += width;
      return gradient;
    });
  }
}
