import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type Augmentation, augment, reduceForAugmentation } from '../../image/augment.ts';
import { type DecodedImage, decodeImage } from '../../image/decode.ts';
import { fingerprint } from '../../image/fingerprint.ts';
import { type Preprocessing, preprocessDecoded } from '../../image/preprocess.ts';
import type { RgbImage } from '../../image/resample.ts';
import type { ImageFacts } from '../dataset/preflight.ts';
import { useCacheFiles } from './cache-folder.ts';
import { DigestCache } from './digest-cache.ts';

/** A frozen network that turns pixels into features. */
export interface FeatureBackbone {
  /** Names weights, architecture and preprocessing: features under one key are the same features. */
  readonly key: string;
  readonly preprocessing: Preprocessing;
  readonly featureSize: number;
  /** Pixels of one image to its features; who calls many times at once shares batches. */
  compute(pixels: Uint8Array): Promise<Float32Array>;
}

export interface FeatureExtractionOptions {
  readonly backbone: FeatureBackbone;
  readonly augmentation: Augmentation;
  readonly seed: number;
  /** Where features are kept between jobs. */
  readonly cacheDir: string;
  /** Width times height of an image at most. */
  readonly maxPixels: number;
}

/** An image that waits for its copies to be made. */
interface HeldImage {
  readonly image: RgbImage;
  /** Whether it is reduced already; if not, that is done when the copies are made. */
  readonly reduced: boolean;
}

/**
 * Images of at most so many times the input's pixels are held as they are: to reduce them (to about 1.6 times) would save
 * little memory, and while a data set is looked at the processor has most to do.
 */
const HELD_WHOLE = 3;

/**
 * Bytes of images that are held between the look at the data set and the making of copies, so that most images
 * are decoded once: at least 7,000 of a model of 64 pixels, 590 of one of 224. The rest is decoded again.
 */
const HELD_BYTES = 256 * 1024 * 1024;

/**
 * Features of images and of their varied copies, each computed once: kept on disk by image, transform and backbone, so
 * that a second job on the same images, or one that was interrupted, starts where the first one ended.
 */
export class FeatureExtraction {
  readonly #options: FeatureExtractionOptions;
  /** Lets the files of the cache go. */
  readonly #release: () => void;
  readonly #facts: FactsCache;
  readonly #originals: FeatureCache;
  readonly #copies: readonly FeatureCache[];
  /** By the digest of their file. */
  readonly #held = new Map<string, HeldImage>();
  #heldBytes = 0;

  constructor(options: FeatureExtractionOptions) {
    this.#options = options;
    const { backbone, augmentation, seed, cacheDir } = options;
    const { copies, ...variations } = augmentation;
    const pathOf = (transform: object) => join(cacheDir, backbone.key, `${digestOf(transform)}.bin`);
    const factsPath = join(cacheDir, 'facts.bin');
    const originalsPath = pathOf({});
    const copiesPaths = Array.from({ length: copies }, (_, copy) => pathOf({ ...variations, seed, copy }));
    this.#release = useCacheFiles(cacheDir, [factsPath, originalsPath, ...copiesPaths]);
    this.#facts = new FactsCache(factsPath);
    this.#originals = new FeatureCache(originalsPath, backbone.featureSize);
    this.#copies = copiesPaths.map((path) => new FeatureCache(path, backbone.featureSize));
  }

  /**
   * Looks at one image, and computes its features on the way since it is decoded anyway.
   * @param digest SHA-256 of the file, in hex
   * @throws AppError when the file is no image that can be read
   */
  async inspect(content: Buffer, digest: string): Promise<ImageFacts> {
    const known = this.#facts.get(digest);
    if (known !== undefined && this.#originals.get(digest) !== undefined) return known;
    const image = await decodeImage(content, this.#options.maxPixels);
    const facts = { width: image.width, height: image.height, ...fingerprint(image) };
    const { backbone } = this.#options;
    const pixels = await preprocessDecoded(image, backbone.preprocessing);
    const [features] = await Promise.all([backbone.compute(pixels), this.#hold(digest, image)]);
    this.#originals.put(digest, features);
    this.#facts.put(digest, facts);
    return facts;
  }

  /** Features of an image that was inspected. */
  original(digest: string): Float32Array {
    const features = this.#originals.get(digest);
    if (features === undefined) throw new Error(`the image ${digest} was not inspected`);
    return features;
  }

  /**
   * Features of the copies of an image, in their order.
   * @param read the content of the image's file, asked for when it has to be decoded again
   */
  async copies(digest: string, read: () => Promise<Buffer>): Promise<Float32Array[]> {
    const cached = this.#copies.map((cache) => cache.get(digest));
    const held = this.#held.get(digest);
    this.#dropHeld(digest);
    if (cached.every((features) => features !== undefined)) return cached;
    const { backbone, augmentation, seed, maxPixels } = this.#options;
    const { inputSize } = backbone.preprocessing;
    const whole = held?.image ?? (await decodeImage(await read(), maxPixels));
    const image = held?.reduced ? held.image : await reduceForAugmentation(whole, inputSize);
    return Promise.all(
      this.#copies.map(async (cache, copy) => {
        const features =
          cached[copy] ?? (await backbone.compute(augment(image, inputSize, augmentation, { seed, digest, copy })));
        cache.put(digest, features);
        return features;
      }),
    );
  }

  close(): void {
    for (const cache of [this.#facts, this.#originals, ...this.#copies]) cache.close();
    this.#release();
  }

  /** Keeps an image for its copies, as long as there is room and they are not known. */
  async #hold(digest: string, image: DecodedImage): Promise<void> {
    if (this.#heldBytes > HELD_BYTES || this.#copies.every((cache) => cache.get(digest) !== undefined)) return;
    const { inputSize } = this.#options.backbone.preprocessing;
    const reduced = image.width * image.height > HELD_WHOLE * inputSize[0] * inputSize[1];
    const held = { image: reduced ? await reduceForAugmentation(image, inputSize) : image, reduced };
    this.#held.set(digest, held);
    this.#heldBytes += held.image.pixels.length;
  }

  #dropHeld(digest: string): void {
    this.#heldBytes -= this.#held.get(digest)?.image.pixels.length ?? 0;
    this.#held.delete(digest);
  }
}

/** Features in a `DigestCache`, as little-endian float32. */
class FeatureCache {
  readonly #cache: DigestCache;

  constructor(path: string, featureSize: number) {
    this.#cache = DigestCache.open(path, featureSize * Float32Array.BYTES_PER_ELEMENT);
  }

  get(digest: string): Float32Array | undefined {
    const payload = this.#cache.get(digest);
    // Copied, since a view must begin at a multiple of four.
    return payload && new Float32Array(new Uint8Array(payload).buffer);
  }

  put(digest: string, { buffer, byteOffset, byteLength }: Float32Array): void {
    this.#cache.put(digest, new Uint8Array(buffer, byteOffset, byteLength));
  }

  close(): void {
    this.#cache.close();
  }
}

/** Facts in a `DigestCache`: width and height as 32-bit integers, then the two fingerprints. */
class FactsCache {
  static readonly #BYTES = 4 + 4 + 32 + 16;
  readonly #cache: DigestCache;

  constructor(path: string) {
    this.#cache = DigestCache.open(path, FactsCache.#BYTES);
  }

  get(digest: string): ImageFacts | undefined {
    const payload = this.#cache.get(digest);
    return (
      payload && {
        width: payload.readUInt32LE(0),
        height: payload.readUInt32LE(4),
        pixelDigest: payload.toString('hex', 8, 40),
        differenceHash: payload.toString('hex', 40, 56),
      }
    );
  }

  put(digest: string, { width, height, pixelDigest, differenceHash }: ImageFacts): void {
    const sizes = Buffer.alloc(8);
    sizes.writeUInt32LE(width, 0);
    sizes.writeUInt32LE(height, 4);
    this.#cache.put(digest, Buffer.concat([sizes, Buffer.from(pixelDigest + differenceHash, 'hex')]));
  }

  close(): void {
    this.#cache.close();
  }
}

function digestOf(transform: object): string {
  return createHash('sha256').update(JSON.stringify(transform)).digest('hex').slice(0, 16);
}
