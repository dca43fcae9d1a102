import { basename } from 'node:path';
import { encode, fieldHead } from '../../../common/protobuf.ts';
import { type FileSink, type WrittenFile, writeFileThrough } from '../file-sink.ts';
import {
  DATA_LOCATION,
  type GraphProto,
  graphProto,
  type ModelProto,
  modelProto,
  type TensorProto,
  tensorProto,
} from './proto.ts';

/** A protobuf message is limited to 2 GiB; with more bytes of weights, they go to a separate file. */
const EXTERNAL_ABOVE_BYTES = 1.9e9;

/** An initializer to write. `proto` has everything but the values, which are read on demand. */
export interface WritableTensor {
  readonly proto: TensorProto;
  /** Absent when the values are in `proto`. */
  readonly values?: {
    /** The field of `TensorProto` that holds them, in the encoding of that field. */
    readonly field: 'rawData' | 'floatData' | 'int32Data' | 'int64Data' | 'doubleData' | 'uint64Data';
    /** Bytes. */
    readonly length: number;
    /** `length` bytes, in pieces of any size. */
    read(): AsyncIterable<Uint8Array>;
  };
}

export interface OnnxWriteOptions {
  /** When all values together are larger than this, they go to `<path>.data`. Default: 1.9 GB. */
  readonly externalAboveBytes?: number | undefined;
  /** Called with the share of the values that is written, 0..1. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
}

/** Location of the values of a tensor. */
export interface TensorLocation {
  readonly path: string;
  /** Byte offset in the file. */
  readonly offset: number;
}

/**
 * Writes a model. The values of the tensors are written one after the other, so that only a piece of one is in memory.
 *
 * @param model the model without its graph
 * @param graph the graph without `tensors`, which become initializers
 * @returns the files: the model, and `<path>.data` when the values are in a separate file
 * @throws Error when a tensor has another length than it claims
 */
export async function writeOnnxFile(
  path: string,
  model: ModelProto,
  graph: GraphProto,
  tensors: readonly WritableTensor[],
  options: OnnxWriteOptions = {},
): Promise<WrittenFile[]> {
  const { inside, outside, prefix, tensorHeads } = layOut(path, model, graph, tensors, options);
  const total = totalBytes(tensors);
  let done = 0;
  const writeValues = async (sink: FileSink, tensor: WritableTensor): Promise<void> => {
    const begin = sink.size;
    for await (const piece of tensor.values?.read() ?? []) await sink.write(piece);
    const written = sink.size - begin;
    if (written !== lengthOf(tensor))
      throw new Error(`tensor "${tensor.proto.name}" gave ${written} bytes, not ${lengthOf(tensor)}`);
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
  const file = await writeFileThrough(path, async (sink) => {
    await sink.write(prefix);
    for (const [index, tensor] of inside.entries()) {
      await sink.write(tensorHeads[index] ?? new Uint8Array());
      await writeValues(sink, tensor);
    }
  });
  return [file, ...data];
}

/** The locations at which `writeOnnxFile`, called with the same arguments, writes the values of tensors, by name. */
export function tensorLocations(
  path: string,
  model: ModelProto,
  graph: GraphProto,
  tensors: readonly WritableTensor[],
  options: OnnxWriteOptions = {},
): ReadonlyMap<string, TensorLocation> {
  const { inside, outside, prefix, tensorHeads } = layOut(path, model, graph, tensors, options);
  const placed = [...locationsIn(path, inside, prefix.length, tensorHeads), ...locationsIn(dataPath(path), outside)];
  return new Map(placed.map(([{ proto }, place]) => [proto.name ?? '', place]));
}

/** An initializer that refers to values in another file of the same folder. */
export function externalTensor(tensor: WritableTensor, { path, offset }: TensorLocation): TensorProto {
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

/** Decides which values go where, and encodes everything else: the bytes before all values, and before each. */
function layOut(
  path: string,
  model: ModelProto,
  graph: GraphProto,
  tensors: readonly WritableTensor[],
  { externalAboveBytes = EXTERNAL_ABOVE_BYTES }: OnnxWriteOptions,
) {
  const outside = totalBytes(tensors) > externalAboveBytes ? tensors.filter(canLieOutside) : [];
  const inside = tensors.filter((tensor) => !outside.includes(tensor));
  const external = locationsIn(dataPath(path), outside).map(([tensor, place]) => externalTensor(tensor, place));
  const body = encode(graphProto, { ...graph, initializers: [...(graph.initializers ?? []), ...external] });
  const tensorHeads = inside.map(initializerHead);
  const headBytes = tensorHeads.reduce((sum, { length }) => sum + length, 0);
  // The graph is the last field of the model, and the initializers are the last fields of the graph.
  const graphHead = fieldHead(modelProto.fields.graph, body.length + headBytes + totalBytes(inside));
  return { inside, outside, prefix: Buffer.concat([encode(modelProto, model), graphHead, body]), tensorHeads };
}

/** Locations of values that follow each other in a file, each after its head when there are heads. */
function locationsIn(
  path: string,
  tensors: readonly WritableTensor[],
  begin = 0,
  heads: readonly Uint8Array[] = [],
): [WritableTensor, TensorLocation][] {
  let end = begin;
  return tensors.map((tensor, index) => {
    const offset = end + (heads[index]?.length ?? 0);
    end = offset + lengthOf(tensor);
    return [tensor, { path, offset }];
  });
}

/** The bytes of an initializer before its values. */
function initializerHead({ proto, values }: WritableTensor): Uint8Array {
  const description = encode(tensorProto, proto);
  const valuesHead =
    values === undefined ? new Uint8Array() : fieldHead(tensorProto.fields[values.field], values.length);
  const length = description.length + valuesHead.length + (values?.length ?? 0);
  return Buffer.concat([fieldHead(graphProto.fields.initializers, length), description, valuesHead]);
}

/** Only raw bytes can be in another file. Packed floats have the same bytes. */
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
