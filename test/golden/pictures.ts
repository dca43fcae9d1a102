import { readFileSync } from 'node:fs';
import sharp from 'sharp';

/** The embedded models. */
export const EMBEDDED = ['resnet18_slim.tiny200', 'vgg11_bn_slim.tiny200', 'inception_v1_slim.tiny200'] as const;

/** Outputs of the training framework for a few images: `test/golden/<model>.json`. */
interface Golden {
  readonly pixels_u8_base64: string;
  readonly pixels_shape_nhwc: readonly [number, number, number, number];
  readonly top1: readonly number[];
}

/** The images as PNG files, each with the index of the top class of the training framework. */
export async function goldenPictures(model: string): Promise<{ png: Buffer; top1: number }[]> {
  const golden: Golden = JSON.parse(readFileSync(`test/golden/${model}.json`, 'utf8'));
  const [, height, width, channels] = golden.pixels_shape_nhwc;
  const pixels = Buffer.from(golden.pixels_u8_base64, 'base64');
  const size = height * width * channels;
  return Promise.all(
    golden.top1.map(async (top1, index) => {
      const raw = { width, height, channels: 3 as const };
      const png = await sharp(pixels.subarray(index * size, (index + 1) * size), { raw })
        .png()
        .toBuffer();
      return { png, top1 };
    }),
  );
}
