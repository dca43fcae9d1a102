import type { WritableTensor } from '../formats/onnx/writer.ts';

/** The values of a float32 tensor, in memory. */
export async function floatsOf({ proto, values }: WritableTensor): Promise<Float32Array> {
  if (proto.floatData !== undefined) return Float32Array.from(proto.floatData);
  const pieces: Uint8Array[] = proto.rawData === undefined ? [] : [proto.rawData];
  for await (const piece of values?.read() ?? []) pieces.push(piece);
  // Copied, since a view of floats must begin at a multiple of four.
  return new Float32Array(new Uint8Array(Buffer.concat(pieces)).buffer);
}
