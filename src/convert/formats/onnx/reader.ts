import { createReadStream } from 'node:fs';
import { lstat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { ConversionError } from '../../conversion-error.ts';
import { openFile } from '../byte-source.ts';
import {
  DATA_LOCATION,
  decode,
  type GraphProto,
  graphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
} from './proto.ts';
import { readSkeleton, type SkeletonTensor } from './skeleton.ts';
import type { WritableTensor } from './writer.ts';

/** What ONNX Runtime promises to run: operators since opset 7 of 2018, and files of the versions that it knows. */
const OPSETS = { oldest: 7, newest: 25 } as const;
const IR_VERSIONS = { oldest: 3, newest: 13 } as const;
/** No classifier comes near it; names and edges of more nodes take memory. */
const MAX_NODES = 100_000;

/** A model made elsewhere: all but its weights in memory, these where they lie. */
export interface OnnxFile {
  /** Without its graph. */
  readonly head: ModelProto;
  /** Without its initializers. */
  readonly graph: GraphProto;
  readonly tensors: readonly WritableTensor[];
  /** Files beside the model that hold some of its weights: names. */
  readonly dataFiles: readonly string[];
}

/**
 * Reads an ONNX file and finds its weights, inside of it or in files of plain names beside it.
 *
 * @throws ConversionError that says what is wrong: the format, its version, a file that is missing or leads elsewhere;
 * whatever `open` throws when the file is not there
 */
export async function readOnnxFile(path: string): Promise<OnnxFile> {
  const bytes = await openFile(path);
  try {
    const { head, graph, tensors } = await readSkeleton(bytes);
    checkVersions(head);
    checkContents(head, graph);
    const located = await Promise.all(tensors.map((tensor) => locate(tensor, path)));
    const outside = tensors.filter(({ proto }) => proto.dataLocation === DATA_LOCATION.external);
    const dataFiles = [...new Set(outside.map(({ proto }) => locationOf(proto)))];
    return { head, graph, tensors: located, dataFiles };
  } finally {
    await bytes.close();
  }
}

/** Graphs inside a node: the branches of If, the body of Loop. */
export function subgraphs({ attributes = [] }: NodeProto): GraphProto[] {
  const encoded = attributes.flatMap(({ graph, graphs = [] }) => (graph === undefined ? graphs : [graph, ...graphs]));
  return encoded.map((bytes) => decode(graphProto, bytes));
}

function checkVersions({ irVersion = 0, operatorSets = [] }: ModelProto): void {
  if (irVersion < IR_VERSIONS.oldest || irVersion > IR_VERSIONS.newest) {
    throw new ConversionError(
      `the model is of IR version ${irVersion}; ${IR_VERSIONS.oldest} to ${IR_VERSIONS.newest} can be read`,
    );
  }
  const opset = operatorSets.find(({ domain = '' }) => domain === '' || domain === 'ai.onnx')?.version ?? 0;
  if (opset < OPSETS.oldest || opset > OPSETS.newest) {
    throw new ConversionError(`the model is of opset ${opset}; ${OPSETS.oldest} to ${OPSETS.newest} can be run`);
  }
}

function checkContents({ functions = [] }: ModelProto, graph: GraphProto): void {
  if ((graph.sparseInitializers ?? []).length > 0) throw new ConversionError('the model holds sparse weights');
  let count = 0;
  const visit = (nodes: readonly NodeProto[]): void => {
    count += nodes.length;
    if (count > MAX_NODES) throw new ConversionError(`the model has more than ${MAX_NODES} nodes`);
    for (const node of nodes) {
      for (const { tensor, tensors = [] } of node.attributes ?? []) {
        for (const constant of tensor === undefined ? tensors : [tensor, ...tensors]) refuseOutside(constant, node);
      }
      for (const inner of subgraphs(node)) {
        for (const constant of inner.initializers ?? []) refuseOutside(constant, node);
        visit(inner.nodes ?? []);
      }
    }
  };
  for (const nodes of [graph.nodes ?? [], ...functions.map((each) => each.nodes ?? [])]) visit(nodes);
}

function refuseOutside({ dataLocation }: TensorProto, { operator, name }: NodeProto): void {
  if (dataLocation !== DATA_LOCATION.external) return;
  throw new ConversionError(`the constant inside ${operator} "${name}" lies in another file; only weights may`);
}

/** Where the values of a tensor are: in `proto`, in the model's file or in one beside it. */
async function locate({ proto, values }: SkeletonTensor, modelPath: string): Promise<WritableTensor> {
  if (proto.dataLocation === DATA_LOCATION.external) return await locateOutside(proto, modelPath);
  if (values === undefined) return { proto };
  return { proto, values: { field: values.field, ...fileRange(modelPath, values.begin, values.end) } };
}

async function locateOutside(proto: TensorProto, modelPath: string): Promise<WritableTensor> {
  const { name } = proto;
  const entries = new Map((proto.externalData ?? []).map(({ key, value }) => [key, value]));
  const location = locationOf(proto);
  if (location !== basename(location) || /^\.{0,2}$|[\\\0]/.test(location)) {
    throw new ConversionError(
      `tensor "${name}" lies in "${location}": only the name of a file beside the model is taken`,
    );
  }
  const path = join(dirname(modelPath), location);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) throw new ConversionError(`"${location}", with tensor "${name}", is not beside the model`);
  if (!found.isFile()) throw new ConversionError(`"${location}", with tensor "${name}", is not a plain file`);
  const begin = Number(entries.get('offset') ?? 0);
  const end = entries.has('length') ? begin + Number(entries.get('length')) : found.size;
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin || end > found.size) {
    throw new ConversionError(
      `tensor "${name}" is said to lie from byte ${begin} to ${end} of "${location}", which has ${found.size}`,
    );
  }
  const { externalData: _, dataLocation: __, ...rest } = proto;
  return { proto: rest, values: { field: 'rawData', ...fileRange(path, begin, end) } };
}

function locationOf({ externalData = [] }: TensorProto): string {
  return externalData.find(({ key }) => key === 'location')?.value ?? '';
}

function fileRange(path: string, begin: number, end: number) {
  return {
    length: end - begin,
    read: async function* (): AsyncGenerator<Uint8Array> {
      // A stream's `end` is the last byte itself, so that it cannot be asked for none.
      if (end > begin) yield* createReadStream(path, { start: begin, end: end - 1, highWaterMark: 1024 * 1024 });
    },
  };
}
