import type { LastStage, LayerValues } from '../../convert/transfer/last-stage.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import type { DenseLayer } from '../head/dense-layers.ts';
import type { Epoch } from '../head/training-loop.ts';
import { type StageHyperparameters, type TrainLastStageInput, trainLastStage } from './train-last-stage.ts';

/** How the training of a last stage went. */
export interface LastStageResult {
  readonly history: readonly Epoch[];
  /** 0 when no epoch was better than the head alone on the validation images; the head alone is published then. */
  readonly bestEpoch: number;
  /** Number of parameters of the stage that were trained. */
  readonly parameters: number;
  readonly validationImages: number;
  readonly secondsPerEpoch: number;
  /** New values of the convolutions; absent when the head alone is published. */
  readonly values?: ReadonlyMap<string, LayerValues>;
}

/** Trains a last stage with a head as `trainLastStage` does. `better` is absent when no epoch was better than the head. */
export async function tryLastStage(
  tf: TensorFlow,
  input: TrainLastStageInput,
  hyperparameters: StageHyperparameters,
): Promise<{
  readonly result: LastStageResult;
  readonly better?: { readonly layers: readonly DenseLayer[]; readonly stage: LastStage };
}> {
  const began = performance.now();
  const { history, bestEpoch, layers, stage: values } = await trainLastStage(tf, input, hyperparameters);
  const result = {
    history,
    bestEpoch,
    parameters: [...values.values()].reduce((sum, { weight, bias }) => sum + weight.length + (bias?.length ?? 0), 0),
    validationImages: input.validation.count,
    secondsPerEpoch: (performance.now() - began) / 1000 / Math.max(1, history.length - 1),
  };
  if (bestEpoch === 0) return { result };
  const weights = new Map([...input.stage.weights, ...values]);
  return { result: { ...result, values }, better: { layers, stage: { ...input.stage, weights } } };
}
