import type { PixelTensor, Tensor } from '../common/tensor.ts';

/**
 * Images on which two forms of a model are compared, the same each time: waves of lengths and directions that differ
 * from image to image. The answers of networks vary over them as much as over photos.
 */
export function syntheticImages(count: number, [height, width]: readonly [number, number]): PixelTensor {
  const data = new Uint8ClampedArray(count * height * width * 3);
  let at = 0;
  for (let image = 1; image <= count; image += 1) {
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        for (const phase of [0, 2, 4]) {
          const [across, down] = [x / width, y / height];
          const broad = Math.sin(3 * image * across + phase) * Math.cos(2 * image * down - phase);
          const fine = Math.sin(7 * image * (across - down) + phase * image);
          data[at] = 128 + 80 * broad + 47 * fine;
          at += 1;
        }
      }
    }
  }
  return { data: new Uint8Array(data.buffer), shape: [count, height, width, 3] };
}

/** The index of the largest value of each row: the most probable classes. */
export function argmaxRows({ data, shape: [rows = 1] }: Tensor): number[] {
  const count = data.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const scores = data.subarray(row * count, (row + 1) * count);
    return scores.reduce((best, score, index) => (score > (scores[best] ?? 0) ? index : best), 0);
  });
}
