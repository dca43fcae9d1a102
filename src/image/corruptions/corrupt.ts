import { createHash } from 'node:crypto';
import sharp from 'sharp';
import { type Random, seededRandom } from '../../common/random.ts';
import type { RgbImage } from '../resample.ts';
import { defocusBlur, motionBlur } from './blur.ts';
import { fog } from './fog.ts';
import { pixelate, rotate } from './geometry.ts';
import { gaussianNoise, impulseNoise, shotNoise } from './noise.ts';
import { type Strengths, strengthsFor } from './severities.ts';
import { brighten, reduceContrast } from './tones.ts';

/** What may befall a photo on its way to a model; the names of Hendrycks & Dietterich (2019), and rotation. */
export const CORRUPTIONS = [
  'gaussian_noise',
  'shot_noise',
  'impulse_noise',
  'defocus_blur',
  'motion_blur',
  'fog',
  'brightness',
  'contrast',
  'rotation',
  'pixelate',
  'jpeg_compression',
] as const;

/** Name of a corruption. */
export type Corruption = (typeof CORRUPTIONS)[number];

/** From hardly visible to hardly recognisable. */
export const SEVERITIES = [1, 2, 3, 4, 5] as const;

/** How strong a corruption is. */
export type Severity = (typeof SEVERITIES)[number];

/** How a picture is corrupted. */
export interface CorruptionKind {
  readonly corruption: Corruption;
  readonly severity: Severity;
}

/** Motion blur goes to the right, and up or down by at most this angle. */
const MOST_SLOPE = Math.PI / 4;

/**
 * Corrupts a picture that has the size of a model's input, as ImageNet-C does; see `Strengths`.
 * @param key decides the random draws: the same key gives the same pixels on every machine
 * @returns RGB, as many bytes as the picture has
 */
export async function corrupt(
  image: RgbImage,
  { corruption, severity }: CorruptionKind,
  key: string,
): Promise<Uint8Array> {
  const side = Math.min(image.width, image.height);
  const strengths = strengthsFor(side);
  const seed = createHash('sha256').update(`${corruption}:${key}`).digest().readUIntLE(0, 6);
  const at: Setting = { strengths, level: severity - 1, scale: side / strengths.side, random: seededRandom(seed) };
  return APPLY[corruption](image, at);
}

interface Setting {
  readonly strengths: Strengths;
  /** Position of the severity in the lists of strengths. */
  readonly level: number;
  /** Factor of lengths. */
  readonly scale: number;
  readonly random: Random;
}

const APPLY: Readonly<Record<Corruption, (image: RgbImage, at: Setting) => Uint8Array | Promise<Uint8Array>>> = {
  gaussian_noise: ({ pixels }, { strengths, level, random }) =>
    gaussianNoise(pixels, of(strengths.gaussianNoise, level), random),
  shot_noise: ({ pixels }, { strengths, level, random }) => shotNoise(pixels, of(strengths.shotNoise, level), random),
  impulse_noise: ({ pixels }, { strengths, level, random }) =>
    impulseNoise(pixels, of(strengths.impulseNoise, level), random),
  defocus_blur: (image, { strengths, level, scale }) => {
    const [radius, sigma] = of(strengths.defocusBlur, level);
    return defocusBlur(image, radius * scale, sigma);
  },
  motion_blur: (image, { strengths, level, scale, random }) => {
    const [radius, sigma] = of(strengths.motionBlur, level);
    const radians = (2 * random.next() - 1) * MOST_SLOPE;
    return motionBlur(image, Math.max(1, Math.round(radius * scale)), sigma * scale, radians);
  },
  fog: (image, { strengths, level, random }) => {
    const [amount, decay] = of(strengths.fog, level);
    return fog(image, amount, decay, random);
  },
  brightness: ({ pixels }, { strengths, level }) => brighten(pixels, of(strengths.brightness, level)),
  contrast: ({ pixels }, { strengths, level }) => reduceContrast(pixels, of(strengths.contrast, level)),
  rotation: (image, { strengths, level, random }) => {
    const radians = (of(strengths.rotation, level) * Math.PI) / 180;
    return rotate(image, random.next() < 0.5 ? radians : -radians);
  },
  pixelate: (image, { strengths, level, scale }) => {
    const blocks = (size: number): number =>
      Math.max(1, Math.min(size, Math.floor((size / scale) * of(strengths.pixelate, level))));
    return pixelate(image, blocks(image.width), blocks(image.height));
  },
  jpeg_compression: ({ pixels, width, height }, { strengths, level }) =>
    compress({ pixels, width, height }, of(strengths.jpeg, level)),
};

async function compress({ pixels, width, height }: RgbImage, quality: number): Promise<Uint8Array> {
  const jpeg = await sharp(pixels, { raw: { width, height, channels: 3 } })
    .jpeg({ quality, chromaSubsampling: '4:2:0' })
    .toBuffer();
  return sharp(jpeg).raw().toBuffer();
}

function of<T>(five: readonly [T, T, T, T, T], level: number): T {
  const strength = five[level];
  if (strength === undefined) throw new Error(`there is no severity ${level + 1}`);
  return strength;
}
