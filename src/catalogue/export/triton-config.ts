import { tritonName, weightsParameter } from '../../oip/triton-repository.ts';
import type { ModelVersion, Variant } from '../../registry/registry.ts';
import { OUTPUT_NAMES } from '../../runtime/session.ts';
import type { ConvertedModel } from '../../serving/conversion-cache.ts';

/** The most images in one batch on Triton. */
const MAX_BATCH_SIZE = 64;
/** The smallest batch that is worth a run of its own while more images wait. */
const SMALLEST_PREFERRED = 4;
/** Microseconds that an image waits for a batch of a preferred size. */
const MAX_QUEUE_DELAY_US = 500;

/** A version to be put on Triton. */
export interface TritonSource {
  readonly model: ModelVersion;
  readonly converted: Pick<ConvertedModel, 'activationShape' | 'maxBatch'>;
  /** float32 when absent. */
  readonly variant?: Variant;
}

/** The name of the exported model on Triton, which is that of its folder. */
export function tritonNameOf({ model, variant = 'float32' }: TritonSource): string {
  return tritonName(model.name, variant === 'float32' ? undefined : variant);
}

/**
 * The `config.pbtxt` of a model, in the text format of Protocol Buffers: pixels go in as `uint8`, NHWC, and every output
 * is offered. All versions of a folder are served, and Triton makes batches of what waits.
 */
export function tritonConfig(source: TritonSource): string {
  const { model, converted } = source;
  const { file, preprocessing, labels } = model.manifest;
  const dims = {
    probabilities: [file.num_classes],
    logits: [file.num_classes],
    features: [file.num_features],
    activations: converted.activationShape,
    novelty: [1],
  };
  const outputs = OUTPUT_NAMES.filter((name) => name !== 'novelty' || file.novelty !== undefined);
  const hasClasses = (name: string) => labels.length > 0 && (name === 'probabilities' || name === 'logits');
  const maxBatch = Math.min(MAX_BATCH_SIZE, converted.maxBatch ?? MAX_BATCH_SIZE);
  const preferred = preferredSizes(maxBatch);
  return `name: "${tritonNameOf(source)}"
backend: "onnxruntime"
max_batch_size: ${maxBatch}
version_policy { all { } }
input {
  name: "pixels"
  data_type: TYPE_UINT8
  format: FORMAT_NHWC
  dims: [ ${[...preprocessing.inputSize, 3].join(', ')} ]
}
${outputs
  .map(
    (name) => `output {
  name: "${name}"
  data_type: TYPE_FP32
  dims: [ ${dims[name].join(', ')} ]
${hasClasses(name) ? '  label_filename: "labels.txt"\n' : ''}}
`,
  )
  .join('')}dynamic_batching {
${preferred.length > 0 ? `  preferred_batch_size: [ ${preferred.join(', ')} ]\n` : ''}  max_queue_delay_microseconds: ${MAX_QUEUE_DELAY_US}
}
parameters {
  key: "${weightsParameter(model.version)}"
  value { string_value: "${file.weights.sha256}" }
}
`;
}

/** Powers of two up to the largest batch. */
function preferredSizes(maxBatch: number): number[] {
  const sizes: number[] = [];
  for (let size = SMALLEST_PREFERRED; size <= maxBatch; size *= 2) sizes.push(size);
  return sizes;
}
