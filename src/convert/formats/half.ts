const bits = new Uint32Array(1);
const float = new Float32Array(bits.buffer);

/** The value of an IEEE 754 binary16 bit pattern: 1 sign bit, 5 exponent bits (bias 15), 10 mantissa bits. */
export function halfToFloat(half: number): number {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >>> 10) & 0x1f;
  const mantissa = half & 0x3ff;
  if (exponent === 0) return sign * mantissa * 2 ** -24;
  if (exponent === 0x1f) return mantissa === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1 + mantissa / 1024) * 2 ** (exponent - 15);
}

/** The nearest binary16 bit pattern, ties to even. Values from 65520 on become infinity. */
export function floatToHalf(value: number): number {
  float[0] = value;
  const word = bits[0] ?? 0;
  const sign = (word >>> 16) & 0x8000;
  const magnitude = word & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00;
  // 65520 is half way between the largest half and the next power of two, and rounds to infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  // Below 2^-14 halves are multiples of 2^-24. A mantissa that rounds up to 1024 is the smallest normal number.
  if (magnitude < 0x38800000) return sign | roundHalfToEven(Math.abs(value) * 2 ** 24);
  // Change the exponent bias from 127 to 15, then drop 13 mantissa bits; a carry correctly goes into the exponent.
  const rebased = magnitude - 0x38000000;
  const odd = (rebased >>> 13) & 1;
  return sign | ((rebased + 0xfff + odd) >>> 13);
}

function roundHalfToEven(value: number): number {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest !== 0.5) return Math.round(value);
  return below % 2 === 0 ? below : below + 1;
}

let halves: Float32Array | undefined;

/** The values of all 65,536 bit patterns: a lookup decodes weights several times faster than arithmetic. */
export function halfTable(): Float32Array {
  halves ??= Float32Array.from({ length: 0x10000 }, (_, half) => halfToFloat(half));
  return halves;
}
