import type { PixelTensor, Tensor } from '../common/tensor.ts';

/**
 * Pictures to compare two forms of a model on, the same each time: waves of several lengths and directions, a picture's own.
 * Networks answer to them as differently as to photos.
 */
export function comparisonPictures(count: number, [height, width]: readonly [number, number]): PixelTensor {
  const data = new Uint8ClampedArray(count * height * width * 3);
  let at = 0;
  for (let picture = 1; picture <= count; picture += 1) {
    for (let y = 0; y < height; y += 1) {
      for (let x = 0; x < width; x += 1) {
        for (const phase of [0, 2, 4]) {
          const [across, down] = [x / width, y / height];
          const broad = Math.sin(3 * picture * across + phase) * Math.cos(2 * picture * down - phase);
          const fine = Math.sin(7 * picture * (across - down) + phase * picture);
          data[at] = 128 + 80 * broad + 47 * fine;
          at += 1;
        }
      }
    }
  }
  return { data: new Uint8Array(data.buffer), shape: [count, height, width, 3] };
}

/** The most probable class of each row. */
export function likeliest({ data, shape: [rows = 1] }: Tensor): number[] {
  const count = data.length / rows;
  return Array.from({ length: rows }, (_, row) => {
    const scores = data.subarray(row * count, (row + 1) * count);
    return scores.reduce((best, score, index) => (score > (scores[best] ?? 0) ? index : best), 0);
  });
}
