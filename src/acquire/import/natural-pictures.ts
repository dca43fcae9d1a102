import { type Random, seededRandom } from '../../common/random.ts';
import type { PixelTensor } from '../../common/tensor.ts';

type Colour = readonly [number, number, number];
/** A value of about -1..1 for a position in 0..1. */
type Field = (x: number, y: number) => number;

/** Numbers of disks in the pictures, in turn: a landscape, a few things, many things, foliage. */
const DISKS = [0, 6, 30, 120];

/**
 * Pictures with the statistics of photos, the same each time: ground and sky with clouds of all sizes, and disks of
 * which many are small and few are large, that cover each other and are lit from one side. Classes of networks vary
 * more over them than over waves or noise, so that a network that sees nothing in them differs from one that does.
 *
 * @returns `count` pictures of one image each, `[1, height, width, 3]`
 */
export function naturalPictures(count: number, [height, width]: readonly [number, number]): PixelTensor[] {
  return Array.from({ length: count }, (_, picture) => {
    return { data: paint(picture, height, width), shape: [1, height, width, 3] };
  });
}

function paint(picture: number, height: number, width: number): Uint8Array {
  const random = seededRandom(picture + 1);
  const [texture, light] = [clouds(random, 7), clouds(random, 2)];
  const [sky, ground] = [colour(random, 60, 140), colour(random, 40, 150)];
  const horizon = 0.3 + 0.4 * random.next();
  const pixels = new Float32Array(height * width * 3);
  const put = (at: number, [red, green, blue]: Colour, factor: number) => {
    pixels[at] = red * factor;
    pixels[at + 1] = green * factor;
    pixels[at + 2] = blue * factor;
  };
  const eachPixel = (visit: (at: number, x: number, y: number) => void) => {
    for (let row = 0; row < height; row += 1) {
      for (let column = 0; column < width; column += 1) {
        visit((row * width + column) * 3, (column + 0.5) / width, (row + 0.5) / height);
      }
    }
  };
  eachPixel((at, x, y) => {
    const isGround = y > horizon + 0.08 * light(x, y);
    put(at, isGround ? ground : sky, 1 + (isGround ? 0.6 : 0.25) * texture(x, y));
  });
  const disks = DISKS[picture % DISKS.length] ?? 0;
  for (let disk = 0; disk < disks; disk += 1) {
    const [left, top] = [random.next(), random.next()];
    const across = Math.min(0.35, (disks < 10 ? 0.09 : 0.03) / Math.sqrt(random.next() * 0.97 + 0.03));
    const down = across * (0.5 + random.next());
    const [own, rough] = [colour(random, 40, 190), 0.2 + 0.4 * random.next()];
    eachPixel((at, x, y) => {
      const [dx, dy] = [(x - left) / across, (y - top) / down];
      if (dx * dx + dy * dy < 1) put(at, own, (0.9 - 0.25 * (dx + dy)) * (1 + rough * texture(x, y)));
    });
  }
  eachPixel((at, x, y) => {
    for (let channel = at; channel < at + 3; channel += 1)
      pixels[channel] = (pixels[channel] ?? 0) * (1 + 0.35 * light(x, y));
  });
  return new Uint8Array(Uint8ClampedArray.from(pixels).buffer);
}

function colour(random: Random, least: number, range: number): Colour {
  return [least + range * random.next(), least + range * random.next(), least + range * random.next()];
}

/** Noise of several sizes, each half as large and 0.6 times as strong as the one before. */
function clouds(random: Random, octaves: number): Field {
  const layers = Array.from({ length: octaves }, (_, octave) => {
    const cells = 2 ** (octave + 1);
    const grid = Float32Array.from({ length: (cells + 1) ** 2 }, () => 2 * random.next() - 1);
    return { cells, grid, strength: 0.6 ** octave };
  });
  return (x, y) =>
    layers.reduce((sum, { cells, grid, strength }) => sum + strength * between(grid, cells, x * cells, y * cells), 0);
}

/** Interpolates a grid of `cells + 1` columns bilinearly. */
function between(grid: Float32Array, cells: number, x: number, y: number): number {
  const [column, row] = [Math.min(cells - 1, Math.floor(x)), Math.min(cells - 1, Math.floor(y))];
  const value = (down: number, right: number) => grid[(row + down) * (cells + 1) + column + right] ?? 0;
  const [right, down] = [x - column, y - row];
  const upper = value(0, 0) * (1 - right) + value(0, 1) * right;
  return upper * (1 - down) + (value(1, 0) * (1 - right) + value(1, 1) * right) * down;
}
