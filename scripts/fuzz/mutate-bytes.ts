import type { Random } from '../../src/common/random.ts';
import { pick } from './fuzz-input.ts';

/** Numbers at which lengths, counts and signs go wrong. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];
/** Headers lie within this many bytes. */
const HEADER_BYTES = 256;
const MAX_MUTATIONS = 4;

type Mutation = (bytes: Buffer, random: Random) => Buffer;

const flipBits: Mutation = (bytes, random) => {
  const count = 1 + random.below(16);
  for (let i = 0; i < count; i++) {
    const at = random.below(bytes.length);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
  }
  return bytes;
};

const overwrite: Mutation = (bytes, random) => {
  const [from, to] = range(bytes, random);
  for (let at = from; at < to; at++) bytes[at] = random.below(256);
  return bytes;
};

const writeExtreme: Mutation = (bytes, random) => {
  const value = pick(EXTREMES, random);
  const size = pick([1, 2, 4], random);
  const limit = random.next() < 0.7 ? Math.min(HEADER_BYTES, bytes.length) : bytes.length;
  if (limit <= size) return bytes;
  const at = random.below(limit - size);
  if (random.next() < 0.5) bytes.writeUIntBE(value % 256 ** size, at, size);
  else bytes.writeUIntLE(value % 256 ** size, at, size);
  return bytes;
};

const cutEnd: Mutation = (bytes, random) => bytes.subarray(0, random.below(bytes.length));
const cutStart: Mutation = (bytes, random) => bytes.subarray(random.below(Math.min(HEADER_BYTES, bytes.length)));

const removeRange: Mutation = (bytes, random) => {
  const [from, to] = range(bytes, random);
  return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)]);
};

const repeatRange: Mutation = (bytes, random) => {
  const [from, to] = range(bytes, random);
  const repeated = Array.from({ length: 1 + random.below(8) }, () => bytes.subarray(from, to));
  return Buffer.concat([bytes.subarray(0, to), ...repeated, bytes.subarray(to)]);
};

const double: Mutation = (bytes) => Buffer.concat([bytes, bytes]);

const MUTATIONS = [flipBits, overwrite, writeExtreme, cutEnd, cutStart, removeRange, repeatRange, double];

/** Damages a copy of `bytes` in one to four ways. */
export function mutateBytes(bytes: Buffer, random: Random): Buffer {
  let mutated: Buffer = Buffer.from(bytes);
  for (let left = 1 + random.below(MAX_MUTATIONS); left > 0 && mutated.length > 0; left--) {
    mutated = pick(MUTATIONS, random)(mutated, random);
  }
  return mutated;
}

function range(bytes: Buffer, random: Random): [from: number, to: number] {
  const from = random.below(bytes.length);
  return [from, Math.min(bytes.length, from + 1 + random.below(64))];
}
