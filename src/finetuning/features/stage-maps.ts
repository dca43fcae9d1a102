import { AppError } from '../../common/errors.ts';
import { useCacheFiles } from './cache-folder.ts';
import { MapCache } from './feature-cache.ts';

/** The files of maps: those of the images, and those of each copy. */
export interface StageMapFiles {
  readonly originals: string;
  readonly copies: readonly string[];
  /** Number of values of one map. */
  readonly mapSize: number;
}

/**
 * The most bytes of maps that a training may need on disk. Those of a ResNet-50 at 224 pixels have 400 kB each, so this
 * is enough for 7,000 images with two copies each; those of the embedded models have 8 to 16 kB.
 */
const MAX_MAP_BYTES = 8 * 1024 ** 3;

/** Maps that enter the last stage of a network, read from disk as they are needed: all together may not fit memory. */
export class StageMaps {
  readonly #release: () => void;
  readonly #originals: MapCache;
  readonly #copies: readonly MapCache[];
  /** Number of values of one map. */
  readonly mapSize: number;

  constructor(folder: string, { originals, copies, mapSize }: StageMapFiles) {
    this.#release = useCacheFiles(folder, [originals, ...copies]);
    this.#originals = new MapCache(originals, mapSize);
    this.#copies = copies.map((path) => new MapCache(path, mapSize));
    this.mapSize = mapSize;
  }

  /** @param copy index of the copy; the image itself when absent. @throws AppError `storage_full` when it is not there */
  read(digest: string, copy?: number): Float32Array {
    const cache = copy === undefined ? this.#originals : this.#copies[copy];
    const map = cache?.get(digest);
    if (map !== undefined) return map;
    throw new AppError(
      'storage_full',
      'the activations that depth=last_stage trains on could not be kept in the data folder: is its disk full?',
    );
  }

  close(): void {
    for (const cache of [this.#originals, ...this.#copies]) cache.close();
    this.#release();
  }
}

/**
 * Refuses a training whose maps would need too much room.
 * @throws AppError `invalid_request` that says how many bytes there would be, and what would be fewer
 */
export function expectRoom(images: number, copies: number, mapSize: number): void {
  const bytes = images * (1 + copies) * mapSize * Uint16Array.BYTES_PER_ELEMENT;
  if (bytes <= MAX_MAP_BYTES) return;
  const gigabytes = (value: number) => (value / 1024 ** 3).toFixed(1);
  throw new AppError(
    'invalid_request',
    `depth: last_stage would keep ${gigabytes(bytes)} GB of activations (${images} images with ${copies} copies each), ` +
      `more than ${gigabytes(MAX_MAP_BYTES)} GB: send fewer images, ask for fewer copies, or use depth=head`,
    { context: { field: 'depth', limit: 'max_map_bytes', maximum: MAX_MAP_BYTES } },
  );
}
