import { type Random, seededRandom } from '../../src/common/random.ts';
import { type FuzzInput, pick } from './fuzz-input.ts';
import { mutateBytes } from './mutate-bytes.ts';

const MODEL = 'resnet18_slim.tiny200';
const SIDE = 64;
const PATHS = [
  ...Array.from({ length: 8 }, () => `/v2/models/${MODEL}/infer`),
  `/v2/models/${MODEL}/versions/1/infer`,
  '/v2/models/none/infer',
];
const LENGTH_HEADER = 'inference-header-content-length';
/** Values that belong nowhere in a request. */
const STRANGE = [
  ...[null, true, 0, -1, 1.5, 255, 256, 1e308, -1e308, 2 ** 53, 60_000, '', 'x', 'UINT8', 'FP32', 'BYTES', 'FP64'],
  ...[[], {}, [[]], [null], [{}], 'NaN', '\u0000', '💥', 'x'.repeat(5_000), Array(500).fill(0), Array(500).fill({})],
];
const SIZES = [0, 1, 2, 3, 63, SIDE, 65, 1_000, 60_000, 2 ** 31, 2 ** 53, 1e300, -1, 0.5];
const MAX_DEPTH = 20_000;

type Json = unknown;

/** The request of this number: a tensor body of the Open Inference Protocol, as JSON or with binary data, damaged. */
export function tensorInput(images: readonly Buffer[], seed: number, index: number): FuzzInput {
  const random = seededRandom(seed, 2 * index + 1);
  const path = pick(PATHS, random);
  const { json, binary } = random.next() < 0.5 ? jsonRequest(images, random) : binaryRequest(images, random);
  const changes = random.below(4);
  let request: Json = json;
  for (let i = 0; i < changes; i++) request = changeNode(request, random);
  let text: Buffer = Buffer.from(JSON.stringify(request) ?? '');
  if (random.next() < 0.1) text = nested(random);
  const draw = random.next();
  let body: Buffer = Buffer.concat([text, draw < 0.15 ? mutateBytes(binary, random) : binary]);
  if (draw > 0.85) body = mutateBytes(body, random);
  if (binary.length === 0 && random.next() < 0.9) return { path, headers: {}, body };
  return { path, headers: { [LENGTH_HEADER]: lengthOf(text, random) }, body };
}

/** True most of the time. */
function lengthOf({ length }: Buffer, random: Random): string {
  if (random.next() < 0.85) return String(length);
  return pick(['0', '-1', '1e3', 'NaN', '', '0x10', String(length + 1), String(length - 1), '99999999999'], random);
}

function jsonRequest(images: readonly Buffer[], random: Random): { json: Json; binary: Buffer } {
  const rows = 1 + random.below(2);
  const numbers = Array.from({ length: rows * SIDE * SIDE * 3 }, () => random.below(256));
  const files = Array.from({ length: rows }, () => pick(images, random).toString('base64'));
  const input =
    random.next() < 0.2
      ? { name: 'pixels', datatype: 'BYTES', shape: [rows], data: files }
      : { name: 'pixels', datatype: pick(['UINT8', 'FP32'], random), shape: shapeOf(rows, random), data: numbers };
  return { json: { id: 'fuzz', inputs: [input], outputs: outputsOf(random) }, binary: Buffer.alloc(0) };
}

function binaryRequest(images: readonly Buffer[], random: Random): { json: Json; binary: Buffer } {
  const rows = 1 + random.below(2);
  const datatype = pick(['UINT8', 'FP32', 'BYTES'], random);
  const binary = binaryOf(datatype, rows, images, random);
  const size = random.next() < 0.9 ? binary.length : pick(SIZES, random);
  const shape = datatype === 'BYTES' ? [rows] : shapeOf(rows, random);
  const input = { name: 'pixels', datatype, shape, parameters: { binary_data_size: size } };
  const parameters = { binary_data_output: random.next() < 0.5 };
  return { json: { parameters, inputs: [input], outputs: outputsOf(random) }, binary };
}

function binaryOf(datatype: string, rows: number, images: readonly Buffer[], random: Random): Buffer {
  const values = rows * SIDE * SIDE * 3;
  if (datatype === 'UINT8') return Buffer.from(Array.from({ length: values }, () => random.below(256)));
  if (datatype === 'FP32') {
    const strange = random.next() < 0.3 ? pick([Number.NaN, Number.POSITIVE_INFINITY, -1, 1e30], random) : 128;
    const floats = Float32Array.from({ length: values }, (_, at) => (at === 7 ? strange : random.below(256)));
    return Buffer.from(floats.buffer);
  }
  const files = Array.from({ length: rows }, () => pick(images, random));
  return Buffer.concat(
    files.flatMap((file) => {
      const length = Buffer.alloc(4);
      length.writeUInt32LE(random.next() < 0.9 ? file.length : random.below(2 ** 32));
      return [length, file];
    }),
  );
}

/** Right most of the time. */
function shapeOf(rows: number, random: Random): Json[] {
  const shape: Json[] = [rows, SIDE, SIDE, 3];
  if (random.next() < 0.75) return shape;
  const draw = random.next();
  if (draw < 0.4) shape[random.below(4)] = pick(SIZES, random);
  else if (draw < 0.6) return shape.map(() => pick(SIZES, random));
  else if (draw < 0.8) return shape.slice(random.below(4));
  else return Array.from({ length: 1 + random.below(2_000) }, () => pick([1, 2, 3], random));
  return shape;
}

function outputsOf(random: Random): Json {
  const names = ['probabilities', 'logits', 'features', 'activations'].filter(() => random.next() < 0.4);
  return names.map((name) => ({
    name,
    ...(random.next() < 0.3 && { parameters: { classification: random.below(300) } }),
    ...(random.next() < 0.3 && { parameters: { binary_data: random.next() < 0.5 } }),
  }));
}

/** A copy in which one node is replaced, removed, repeated or renamed. */
function changeNode(node: Json, random: Random): Json {
  if (random.next() < 0.15) return pick(STRANGE, random);
  if (Array.isArray(node)) {
    if (node.length === 0) return [pick(STRANGE, random)];
    const at = random.below(node.length);
    const draw = random.next();
    if (draw < 0.1) return [...node, ...node];
    if (draw < 0.2) return node.filter((_, index) => index !== at);
    return node.with(at, changeNode(node[at], random));
  }
  if (typeof node !== 'object' || node === null) return pick(STRANGE, random);
  const keys = Object.keys(node);
  if (keys.length === 0) return pick(STRANGE, random);
  const key = pick(keys, random);
  const { [key]: value, ...rest } = node as Record<string, Json>;
  const draw = random.next();
  if (draw < 0.1) return rest;
  if (draw < 0.2) return { ...rest, [pick(['__proto__', 'x', 'inputs', 'data', 'shape'], random)]: value };
  return { ...rest, [key]: changeNode(value, random) };
}

/** Arrays or objects in one another, closed or not. */
function nested(random: Random): Buffer {
  const depth = 1 + random.below(MAX_DEPTH);
  const [open, close] = pick(
    [
      ['[', ']'],
      ['{"inputs":', '}'],
      ['{"inputs":[{"data":[', ']}]}'],
    ] as const,
    random,
  );
  return Buffer.from(open.repeat(depth) + (random.next() < 0.7 ? `1${close.repeat(depth)}` : ''));
}
