import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { codeDigest } from '../../common/code-digest.ts';
import { elementCount } from '../../common/tensor.ts';
import type { Augmentation } from '../../image/augmentation.ts';
import { type CorruptionKind, corrupt } from '../../image/corruptions/corrupt.ts';
import { decodeImage } from '../../image/decode.ts';
import { DECODER_VERSIONS } from '../../image/header.ts';
import { copyInThread } from '../../image/pixel-jobs.ts';
import { preprocessDecoded } from '../../image/preprocess.ts';
import { readCopies, readSample } from '../../image/read-sample.ts';
import type { RgbImage } from '../../image/resample.ts';
import type { ImageFacts } from '../dataset/inspected-image.ts';
import { useCacheFiles } from './cache-folder.ts';
import { FactsCache, FeatureCache, MapCache } from './feature-cache.ts';
import type { FeatureNetwork } from './feature-network.ts';
import type { SharedFeatures } from './shared-features.ts';
import { type StageMapFiles, StageMaps } from './stage-maps.ts';

export interface FeatureExtractionOptions {
  readonly network: Pick<FeatureNetwork, 'key' | 'preprocessing' | 'layers' | 'compute' | 'entry'>;
  readonly augmentation: Augmentation;
  readonly seed: number;
  /** Where features are kept between jobs. */
  readonly cacheDir: string;
  /** Where other machines find features; maps are too large for it. */
  readonly shared?: Pick<SharedFeatures, 'cache'> | undefined;
  /** The most that width times height of an image may be. */
  readonly maxPixels: number;
}

/** How the features of many images are computed. */
export interface ExtractionControl {
  /** Images that are worked on at once. */
  readonly concurrency: number;
  readonly onProgress: (done: number, total: number) => void;
}

/** Caches of the maps of images and of each of their copies. */
interface MapCaches {
  readonly paths: StageMapFiles;
  readonly originals: MapCache;
  readonly copies: readonly MapCache[];
}

interface Inspection {
  readonly facts: ImageFacts;
  readonly features: Float32Array;
}

/**
 * Bytes of images that are held between their inspection and the making of copies, so that most images are decoded
 * once: at least 7,000 for a model of 64 pixels, 590 for one of 224. The others are decoded again.
 */
const HELD_BYTES = 256 * 1024 * 1024;

/**
 * Features of images and of their augmented copies. Each is computed once in a job and held in memory; the files under
 * `cacheDir` are a cache, from which a later job, or one that was interrupted, takes what is there.
 */
export class FeatureExtraction {
  readonly #options: FeatureExtractionOptions;
  /** Ends the protection of the cache's files. */
  readonly #release: () => void;
  readonly #facts: FactsCache;
  readonly #originals: FeatureCache;
  readonly #copies: readonly FeatureCache[];
  readonly #corrupted: FeatureCache;
  /** Maps that enter the last stage, in the order of the caches above; absent when that stage is not trained. */
  readonly #maps: MapCaches | undefined;
  /** By the SHA-256 of the image's file, as the two below. */
  readonly #inspections = new Map<string, Promise<Inspection>>();
  readonly #copyFeatures = new Map<string, Promise<Float32Array[]>>();
  /** Reduced images. */
  readonly #held = new Map<string, RgbImage>();
  #heldBytes = 0;
  #kept = 0;

  private constructor(options: FeatureExtractionOptions, decoding: object) {
    this.#options = options;
    const { network, augmentation, seed, cacheDir, shared } = options;
    const { copies, ...variations } = augmentation;
    const { key, preprocessing, layers } = network;
    const featureSize = layers.reduce((sum, { size }) => sum + size, 0);
    // The key comes first: features of models that are gone are removed by it.
    const folder = `${key}-${digestOf({ preprocessing, layers, decoding })}`;
    const facts = `facts-${digestOf(decoding)}.bin`;
    const [originals, corrupted] = [`${folder}/originals.bin`, `${folder}/corrupted.bin`];
    const each = Array.from({ length: copies }, (_, copy) => digestOf({ ...variations, seed, copy }));
    const copiesNames = each.map((digest) => `${folder}/copies-${digest}.bin`);
    const pathOf = (name: string) => join(cacheDir, name);
    const mapPaths = network.entry && {
      originals: pathOf(`${folder}/maps-originals.bin`),
      copies: each.map((digest) => pathOf(`${folder}/maps-${digest}.bin`)),
      mapSize: elementCount(network.entry.shape),
    };
    const allMaps = mapPaths === undefined ? [] : [mapPaths.originals, ...mapPaths.copies];
    this.#release = useCacheFiles(cacheDir, [...[facts, originals, corrupted, ...copiesNames].map(pathOf), ...allMaps]);
    const open = (name: string) => new FeatureCache(pathOf(name), featureSize, shared?.cache(name));
    this.#facts = new FactsCache(pathOf(facts), shared?.cache(facts));
    this.#originals = open(originals);
    this.#copies = copiesNames.map(open);
    this.#corrupted = open(corrupted);
    this.#maps = mapPaths && {
      paths: mapPaths,
      originals: new MapCache(mapPaths.originals, mapPaths.mapSize),
      copies: mapPaths.copies.map((path) => new MapCache(path, mapPaths.mapSize)),
    };
  }

  /**
   * Opens the cache files of these options. What other code under `image/`, or another decoder, computed is not used.
   */
  static async open(options: FeatureExtractionOptions): Promise<FeatureExtraction> {
    const imageCode = codeDigest(new URL('../../image/', import.meta.url));
    return new FeatureExtraction(options, {
      imageCode,
      decoders: DECODER_VERSIONS,
      icc: options.network.preprocessing.icc,
    });
  }

  /** The parts of each feature vector. */
  get layers(): FeatureNetwork['layers'] {
    return this.#options.network.layers;
  }

  get copiesPerImage(): number {
    return this.#copies.length;
  }

  /** Number of values of a map that enters the last stage; undefined when the network gives none. */
  get mapSize(): number | undefined {
    return this.#maps?.paths.mapSize;
  }

  /** Feature vectors of this job that are in the cache: a job that starts again need not compute them. */
  get kept(): number {
    return this.#kept;
  }

  /**
   * Measures an image, and computes its features along the way since it is decoded anyway.
   * @param digest SHA-256 of the file, in hex
   * @throws AppError when the file is not an image that can be read
   */
  async inspect(content: Buffer, digest: string): Promise<ImageFacts> {
    const inspection = this.#inspections.get(digest) ?? this.#inspect(content, digest);
    this.#inspections.set(digest, inspection);
    return (await inspection).facts;
  }

  async #inspect(content: Buffer, digest: string): Promise<Inspection> {
    const { network, maxPixels } = this.#options;
    const [known, cached] = await Promise.all([this.#facts.find(digest), this.#originals.find(digest)]);
    const hasMap = this.#maps === undefined || this.#maps.originals.has(digest);
    if (known !== undefined && cached !== undefined && hasMap && known.width * known.height <= maxPixels) {
      this.#kept += 1;
      return { facts: known, features: cached };
    }
    const forCopies = this.#heldBytes <= HELD_BYTES && this.#copies.some((cache) => !cache.has(digest));
    const { input, reduced, ...facts } = await readSample(content, maxPixels, {
      recipe: network.preprocessing,
      forCopies,
    });
    const computed = this.#compute(input, digest, this.#maps?.originals);
    if (reduced !== undefined) this.#hold(digest, reduced);
    const features = await computed;
    this.#kept += Number(this.#originals.put(digest, features) && this.#facts.put(digest, facts));
    return { facts, features };
  }

  /** Features of an image. @throws Error when it was not inspected */
  async original(digest: string): Promise<Float32Array> {
    const inspection = this.#inspections.get(digest);
    if (inspection === undefined) throw new Error(`the image ${digest} was not inspected`);
    return (await inspection).features;
  }

  /**
   * Features of the copies of an image, in their order.
   * @param read the content of the image's file, called when it has to be decoded again
   */
  copies(digest: string, read: () => Promise<Buffer>): Promise<Float32Array[]> {
    const features = this.#copyFeatures.get(digest) ?? this.#computeCopies(digest, read);
    this.#copyFeatures.set(digest, features);
    return features;
  }

  async #computeCopies(digest: string, read: () => Promise<Buffer>): Promise<Float32Array[]> {
    const cached = await Promise.all(
      this.#copies.map((cache, copy) =>
        this.#maps === undefined || this.#maps.copies[copy]?.has(digest) ? cache.find(digest) : undefined,
      ),
    );
    this.#kept += cached.filter((features) => features !== undefined).length;
    const held = this.#held.get(digest);
    this.#dropHeld(digest);
    if (cached.every((features) => features !== undefined)) return cached;
    const { network, augmentation, seed, maxPixels } = this.#options;
    const missing = cached.flatMap((known, copy) => (known === undefined ? [copy] : []));
    const keys = missing.map((copy) => ({ seed, digest, copy }));
    const wanted = { recipe: network.preprocessing, augmentation, keys };
    const made = await (held === undefined ? readCopies(await read(), maxPixels, wanted) : copyInThread(held, wanted));
    const computed = await Promise.all(
      made.map((pixels, index) => this.#compute(pixels, digest, this.#maps?.copies[missing[index] ?? 0])),
    );
    for (const [index, copy] of missing.entries()) {
      const features = computed[index];
      if (features === undefined) throw new Error(`copy ${copy} was not made`);
      this.#kept += Number(this.#copies[copy]?.put(digest, features));
      cached[copy] = features;
    }
    return cached.filter((features) => features !== undefined);
  }

  /**
   * Features of an image that is corrupted in several ways, in their order. The pixels are corrupted as the model sees
   * them, and do not depend on the seed.
   * @param read the content of the image's file, called when it has to be decoded
   */
  async corrupted(
    digest: string,
    kinds: readonly CorruptionKind[],
    read: () => Promise<Buffer>,
  ): Promise<Float32Array[]> {
    const { network, maxPixels } = this.#options;
    const { preprocessing } = network;
    const [height, width] = preprocessing.inputSize;
    let input: Promise<Uint8Array> | undefined;
    return Promise.all(
      kinds.map(async ({ corruption, severity }) => {
        const key = createHash('sha256').update(`${digest}:${corruption}:${severity}`).digest('hex');
        const known = await this.#corrupted.find(key);
        if (known !== undefined) {
          this.#kept += 1;
          return known;
        }
        input ??= read()
          .then((content) => decodeImage(content, maxPixels, preprocessing.icc))
          .then((image) => preprocessDecoded(image, preprocessing));
        const pixels = await corrupt({ pixels: await input, width, height }, { corruption, severity }, digest);
        const features = await network.compute(pixels);
        this.#kept += Number(this.#corrupted.put(key, features));
        return features;
      }),
    );
  }

  /**
   * The maps that enter the last stage, of the images that were inspected and of the copies that were made. They stay
   * readable when this extraction is closed. @throws Error when the network was not opened for that stage
   */
  openMaps(): StageMaps {
    if (this.#maps === undefined) throw new Error('the network gives no maps');
    return new StageMaps(this.#options.cacheDir, this.#maps.paths);
  }

  /** Features of pixels; the map is put into a cache, where it is asked for. */
  async #compute(pixels: Uint8Array, digest: string, maps: MapCache | undefined): Promise<Float32Array> {
    const { network } = this.#options;
    if (network.entry === undefined || maps === undefined) return network.compute(pixels);
    const { features, map } = await network.entry.compute(pixels);
    maps.put(digest, map);
    return features;
  }

  close(): void {
    for (const cache of [this.#maps?.originals, ...(this.#maps?.copies ?? [])]) cache?.close();
    for (const cache of [this.#facts, this.#originals, this.#corrupted, ...this.#copies]) cache.close();
    this.#release();
  }

  #hold(digest: string, reduced: RgbImage): void {
    this.#held.set(digest, reduced);
    this.#heldBytes += reduced.pixels.length;
  }

  #dropHeld(digest: string): void {
    this.#heldBytes -= this.#held.get(digest)?.pixels.length ?? 0;
    this.#held.delete(digest);
  }
}

/** A name for a cache file from everything that decides its values. */
function digestOf(parts: object): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);
}
