import type { TensorSpecification } from '../answering/tensor-inference.ts';
import { AppError } from '../common/errors.ts';
import { OUTPUT_NAMES } from '../runtime/session.ts';
import { INPUT_NAME } from './inference-request.ts';

/** The platform of every model, by Triton's name. */
export const PLATFORM = 'onnxruntime_onnx';

/** What a model takes and gives, in the words of the protocol. */
export function metadataDocument({ model, versions, input, outputs }: TensorSpecification) {
  return {
    name: model,
    versions: versions.map(String),
    platform: PLATFORM,
    inputs: [{ name: INPUT_NAME, datatype: 'UINT8', shape: input }],
    outputs: OUTPUT_NAMES.flatMap((name) => {
      const shape = outputs[name];
      return shape === undefined ? [] : [{ name, datatype: 'FP32', shape }];
    }),
  };
}

/**
 * The reference to a model whose version the protocol names apart.
 * @param id `name`, `name@version` or `name@alias`
 * @param version a number or an alias; undefined where the server chooses
 * @throws AppError `invalid_request` when both name a version
 */
export function referenceTo(id: string, version: string | undefined): string {
  if (version === undefined) return id;
  if (id.includes('@')) {
    throw new AppError(
      'invalid_request',
      `The request names version ${version}, and "${id}" another one; leave one out.`,
    );
  }
  return `${id}@${version}`;
}
