import { basename } from 'node:path';
import { type FileSink, type WrittenFile, writeFileThrough } from '../file-sink.ts';
import {
  DATA_LOCATION,
  encode,
  fieldHead,
  type GraphProto,
  graphProto,
  type ModelProto,
  modelProto,
  type TensorProto,
  tensorProto,
} from './proto.ts';

/** A protobuf message ends at 2 GiB; weights beyond this lie in a file of their own. */
const EXTERNAL_ABOVE_BYTES = 1.9e9;

/** An initializer as it is written: `proto` says all but the values, which come as they are asked for. */
export interface WritableTensor {
  readonly proto: TensorProto;
  /** Absent when the values are in `proto`. */
  readonly values?: {
    /** The field of `TensorProto` that holds them, in its bytes. */
    readonly field: 'rawData' | 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data';
    /** Bytes. */
    readonly length: number;
    /** As many bytes as `length` says, in any pieces. */
    read(): AsyncIterable<Uint8Array>;
  };
}

export interface OnnxWriteOptions {
  /** Values larger than this in all go to `<path>.data`; 1.9 GB when absent. */
  readonly externalAboveBytes?: number | undefined;
  /** Called with the share of the values that is written, 0..1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** Where the values of a tensor lie: a file, and the byte of it where they begin. */
export interface TensorPlace {
  readonly path: string;
  readonly offset: number;
}

/**
 * Writes a model: `head` without its graph, `graph` without its larger initializers, and these one after the other, so
 * that no more than a piece of one is in memory.
 *
 * @returns the files: the model, and `<path>.data` if it is that large
 * @throws Error when a tensor is not as long as it says
 */
export async function writeOnnxFile(
  path: string,
  head: ModelProto,
  graph: GraphProto,
  tensors: readonly WritableTensor[],
  options: OnnxWriteOptions = {},
): Promise<WrittenFile[]> {
  const { inside, outside, prefix, tensorHeads } = layOut(path, head, graph, tensors, options);
  const total = totalBytes(tensors);
  let done = 0;
  const writeValues = async (sink: FileSink, tensor: WritableTensor): Promise<void> => {
    const begin = sink.size;
    for await (const piece of tensor.values?.read() ?? []) await sink.write(piece);
    const written = sink.size - begin;
    if (written !== lengthOf(tensor)) throw new Error(`tensor "${tensor.proto.name}" is not of its own length`);
    done += written;
    if (total > 0) options.onProgress?.(done / total);
  };
  const data = await Promise.all(
    outside.length === 0
      ? []
      : [
          writeFileThrough(dataPath(path), async (sink) => {
            for (const tensor of outside) await writeValues(sink, tensor);
          }),
        ],
  );
  const model = await writeFileThrough(path, async (sink) => {
    await sink.write(prefix);
    for (const [index, tensor] of inside.entries()) {
      await sink.write(tensorHeads[index] ?? new Uint8Array());
      await writeValues(sink, tensor);
    }
  });
  return [model, ...data];
}

/** Where `writeOnnxFile`, called with the same arguments, puts the values of each tensor that has any. */
export function tensorPlaces(
  path: string,
  head: ModelProto,
  graph: GraphProto,
  tensors: readonly WritableTensor[],
  options: OnnxWriteOptions = {},
): ReadonlyMap<string, TensorPlace> {
  const { inside, outside, prefix, tensorHeads } = layOut(path, head, graph, tensors, options);
  const placed = [...placesIn(path, inside, prefix.length, tensorHeads), ...placesIn(dataPath(path), outside)];
  return new Map(placed.map(([{ proto }, place]) => [proto.name ?? '', place]));
}

/** An initializer whose values lie in another file of the same folder. */
export function externalTensor(tensor: WritableTensor, { path, offset }: TensorPlace): TensorProto {
  const externalData = Object.entries({
    location: basename(path),
    offset: `${offset}`,
    length: `${lengthOf(tensor)}`,
  });
  return {
    ...tensor.proto,
    externalData: externalData.map(([key, value]) => ({ key, value })),
    dataLocation: DATA_LOCATION.external,
  };
}

/** Which values lie where, and all of the model but these: what stands before the first of them, and what before each. */
function layOut(
  path: string,
  head: ModelProto,
  graph: GraphProto,
  tensors: readonly WritableTensor[],
  { externalAboveBytes = EXTERNAL_ABOVE_BYTES }: OnnxWriteOptions,
) {
  const outside = totalBytes(tensors) > externalAboveBytes ? tensors.filter(canLieOutside) : [];
  const inside = tensors.filter((tensor) => !outside.includes(tensor));
  const external = placesIn(dataPath(path), outside).map(([tensor, place]) => externalTensor(tensor, place));
  const body = encode(graphProto, { ...graph, initializers: [...(graph.initializers ?? []), ...external] });
  const tensorHeads = inside.map(initializerHead);
  const headBytes = tensorHeads.reduce((sum, { length }) => sum + length, 0);
  // The graph is the last field of the model and its initializers are the graph's: lengths first, values as they come.
  const graphHead = fieldHead(modelProto.fields.graph, body.length + headBytes + totalBytes(inside));
  return { inside, outside, prefix: Buffer.concat([encode(modelProto, head), graphHead, body]), tensorHeads };
}

/** Values one behind the other in a file, each behind a head of its own if there are heads. */
function placesIn(
  path: string,
  tensors: readonly WritableTensor[],
  begin = 0,
  heads: readonly Uint8Array[] = [],
): [WritableTensor, TensorPlace][] {
  let end = begin;
  return tensors.map((tensor, index) => {
    const offset = end + (heads[index]?.length ?? 0);
    end = offset + lengthOf(tensor);
    return [tensor, { path, offset }];
  });
}

/** All of an initializer that stands before its values. */
function initializerHead({ proto, values }: WritableTensor): Uint8Array {
  const description = encode(tensorProto, proto);
  const valuesHead =
    values === undefined ? new Uint8Array() : fieldHead(tensorProto.fields[values.field], values.length);
  const length = description.length + valuesHead.length + (values?.length ?? 0);
  return Buffer.concat([fieldHead(graphProto.fields.initializers, length), description, valuesHead]);
}

/** Only raw bytes can lie in another file; packed floats are the same bytes. */
function canLieOutside({ values }: WritableTensor): boolean {
  return values?.field === 'rawData' || values?.field === 'floatData';
}

function lengthOf({ values }: WritableTensor): number {
  return values?.length ?? 0;
}

function totalBytes(tensors: readonly WritableTensor[]): number {
  return tensors.reduce((sum, tensor) => sum + lengthOf(tensor), 0);
}

function dataPath(path: string): string {
  return `${path}.data`;
}
