import { AppError } from '../../common/errors.ts';
import { elementCount, type PixelTensor, type Tensor } from '../../common/tensor.ts';
import { inferenceRequest, inferenceResponse, modelConfigResponse, modelReference } from '../../oip/messages.ts';
import type { ModelConfig } from '../../oip/model-config.ts';
import { tritonName, weightsParameter } from '../../oip/triton-repository.ts';
import type { AnswerName, Outputs } from '../../runtime/session.ts';
import type { EngineVersion } from '../engine-messages.ts';
import { type TritonClient, TritonError } from './triton-client.ts';

/** Milliseconds in which Triton must tell the configuration of a model. */
const CONFIG_TIMEOUT_MS = 10_000;
/** Seconds after which a client may try again when Triton is away. */
const RETRY_AFTER_SECONDS = 2;
/** Statuses of gRPC. */
const NOT_FOUND = 5;
const RESOURCE_EXHAUSTED = 8;
const UNAVAILABLE = 14;

/** What a model on Triton allows. */
export interface TritonLimits {
  /** Batches that are computed at once. */
  readonly instances: number;
  /** The most images in one batch, at least 1. */
  readonly maxBatch: number;
}

/** The models of a Triton server, by the names that their exports have. */
export class TritonModels {
  readonly #client: Pick<TritonClient, 'call' | 'address'>;

  constructor(client: Pick<TritonClient, 'call' | 'address'>) {
    this.#client = client;
  }

  /**
   * Asks for the configuration of a version.
   * @throws AppError `model_unavailable` that says what to export when Triton lacks the model, or has another one under
   * its name; `engine_lost` when Triton cannot be reached
   */
  async limits(version: EngineVersion): Promise<TritonLimits> {
    const { config = {} } = await this.#ask(version, () =>
      this.#client.call({
        method: 'ModelConfig',
        requestType: modelReference,
        request: referenceTo(version),
        answerType: modelConfigResponse,
        timeoutMs: CONFIG_TIMEOUT_MS,
      }),
    );
    this.#requireSame(version, config);
    const { instanceGroups = [], maxBatchSize = 0 } = config;
    const instances = instanceGroups.reduce((sum, { count = 1 }) => sum + count, 0);
    // 0 is a model without a batch dimension, for which one image is a batch.
    return { instances: Math.max(1, instances), maxBatch: Math.max(1, maxBatchSize) };
  }

  /**
   * Computes outputs of a batch.
   * @throws AppError `engine_lost`, `model_unavailable`, `queue_full`; Error when the answer is not what was asked for
   */
  async infer(
    version: EngineVersion,
    { data, shape }: PixelTensor,
    outputs: readonly AnswerName[],
    timeoutMs: number,
  ): Promise<Outputs> {
    const { name, version: number } = referenceTo(version);
    const answer = await this.#ask(version, () =>
      this.#client.call({
        method: 'ModelInfer',
        requestType: inferenceRequest,
        request: {
          model: name,
          version: number,
          inputs: [{ name: 'pixels', datatype: 'UINT8', shape }],
          outputs: outputs.map((output) => ({ name: output })),
          raw: [data],
        },
        answerType: inferenceResponse,
        timeoutMs,
      }),
    );
    return Object.fromEntries(
      outputs.map((output) => {
        const index = (answer.outputs ?? []).findIndex((each) => each.name === output);
        const found = answer.outputs?.[index];
        const tensor = tensorOf(answer.raw?.[index], found?.shape);
        if (found?.datatype !== 'FP32' || tensor === undefined || tensor.shape[0] !== shape[0]) {
          throw new Error(`Triton did not answer with ${output} of ${shape[0]} images`);
        }
        return [output, tensor];
      }),
    );
  }

  async #ask<T>(version: EngineVersion, call: () => Promise<T>): Promise<T> {
    try {
      return await call();
    } catch (thrown) {
      throw thrown instanceof TritonError ? this.#asAppError(version, thrown) : thrown;
    }
  }

  #asAppError(version: EngineVersion, error: TritonError): AppError {
    const { address } = this.#client;
    if (!error.isAnswer) {
      const detail = `Triton at ${address} did not answer (${error.message}); try again in ${RETRY_AFTER_SECONDS} s`;
      return new AppError('engine_lost', detail, { retryAfter: RETRY_AFTER_SECONDS, cause: error });
    }
    if (error.status === RESOURCE_EXHAUSTED) {
      return new AppError('queue_full', `Triton at ${address} is busy: ${error.message}`, { retryAfter: 1 });
    }
    if (error.status === NOT_FOUND) return this.#unavailable(version, 'lacks it', error);
    if (error.status === UNAVAILABLE) return this.#unavailable(version, `does not serve it (${error.message})`, error);
    const model = `version ${version.version} of model "${version.name}"`;
    const detail = `Triton at ${address} cannot compute ${model}: ${error.message}`;
    return new AppError('model_unavailable', detail, { cause: error });
  }

  /** A model of other weights under the same name would answer for another one. */
  #requireSame(version: EngineVersion, { parameters = [] }: ModelConfig): void {
    const digest = parameters.find(({ key }) => key === weightsParameter(version.version))?.value?.text;
    if (digest === undefined || digest === version.weightsSha256) return;
    throw this.#unavailable(version, 'has other weights under its name');
  }

  #unavailable({ name, version, variant }: EngineVersion, what: string, cause?: TritonError): AppError {
    const option = variant === undefined ? '' : ` --variant ${variant}`;
    // Which is not told why.
    const unless = cause === undefined ? '' : '; where one version in its folder has other classes, Triton loads none';
    return new AppError(
      'model_unavailable',
      `version ${version} of model "${name}" is not on Triton at ${this.#client.address}, which ${what}: unpack what ` +
        `"npx menagerie export ${name}@${version} --format triton${option}" writes into its model repository, and have ` +
        `it loaded${unless}`,
      { cause },
    );
  }
}

function referenceTo({ name, version, variant }: EngineVersion): { name: string; version: string } {
  return { name: tritonName(name, variant), version: String(version) };
}

/** The floats of an output, or undefined when they are not as many as its shape says. */
function tensorOf(raw: Uint8Array | undefined, shape: readonly number[] = []): Tensor | undefined {
  if (raw === undefined || raw.length !== Float32Array.BYTES_PER_ELEMENT * elementCount(shape)) return undefined;
  // Copied, since a view of floats must begin at a multiple of four.
  return { data: new Float32Array(Uint8Array.from(raw).buffer), shape };
}
