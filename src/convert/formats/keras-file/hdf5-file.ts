import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { BrokenSoftLink, Dataset, ExternalLink, File, Group, ready } from 'h5wasm';
import { elementCount } from '../../../common/tensor.ts';
import { ConversionError } from '../../conversion-error.ts';
import type { TensorSource } from '../../graph/tensors.ts';

/** The first bytes of an HDF5 file. https://support.hdfgroup.org/documentation/hdf5/latest/_f_m_t3.html */
export const HDF5_SIGNATURE = '\x89HDF\r\n\x1a\n';
/** The largest networks have a few thousand tensors, each in groups of its own. */
const MAX_OBJECTS = 100_000;
/** A group of Keras for each level of nested models and for each part of a name. */
const MAX_DEPTH = 50;
/** Keras does not compress weights, and others compress them to half; a small file must not claim a large network. */
const MAX_COMPRESSION = 16;
const FLOAT = 1;
/** Number of files opened. A damaged file may stay open in the library, so each one has a path of its own. */
let opened = 0;

/**
 * An HDF5 file: names and shapes of its datasets are in memory, values are read one dataset at a time. Links to other
 * files lead nowhere, since the library has a file system of its own. A damaged file may leave it unusable: read it in
 * a thread of its own.
 */
export class Hdf5File implements TensorSource {
  /** Paths of all groups without the leading slash. */
  readonly groups: readonly string[];
  readonly #file: File;
  readonly #descriptor: number;
  /** Datasets by path without the leading slash. Some versions of Keras wrote paths with backslashes. */
  readonly #datasets: ReadonlyMap<string, StoredDataset>;

  private constructor(file: File, descriptor: number, { datasets, groups }: Contents) {
    this.groups = groups;
    this.#file = file;
    this.#descriptor = descriptor;
    this.#datasets = datasets;
  }

  /** @throws ConversionError when the file is damaged; the error of the file system when it cannot be opened */
  static async open(path: string): Promise<Hdf5File> {
    const descriptor = openSync(path, 'r');
    try {
      const exposed = await expose(descriptor);
      const file = guarded('the HDF5 file', () => new File(exposed, 'r'));
      const contents = { datasets: new Map<string, StoredDataset>(), groups: [] };
      guarded('the HDF5 file', () => collect(file, '', 0, contents));
      const claimed = [...contents.datasets.values()].reduce((sum, { bytes }) => sum + bytes, 0);
      const { size } = fstatSync(descriptor);
      if (claimed > MAX_COMPRESSION * size) {
        throw new ConversionError(`the datasets claim ${claimed} bytes, but the file has only ${size}`);
      }
      return new Hdf5File(file, descriptor, contents);
    } catch (error) {
      closeSync(descriptor);
      throw error;
    }
  }

  /** An attribute of the whole file that is a text. */
  text(attribute: string): string | undefined {
    return guarded(`attribute "${attribute}"`, () => {
      const value = this.#file.attrs[attribute]?.value;
      return typeof value === 'string' ? value : undefined;
    });
  }

  /** Whether the file has an attribute. */
  has(attribute: string): boolean {
    return guarded('the HDF5 file', () => attribute in this.#file.attrs);
  }

  names(): Iterable<string> {
    return this.#datasets.keys();
  }

  shape(name: string): readonly number[] | undefined {
    return this.#datasets.get(name)?.shape;
  }

  /** @throws ConversionError when the dataset has other values than floats of 32 or 64 bits, or cannot be read */
  async read(name: string): Promise<Float32Array> {
    const stored = this.#datasets.get(name);
    if (stored === undefined) throw new ConversionError(`there is no weight "${name}"`);
    return guarded(`weight "${name}"`, () => {
      const { dataset, shape } = stored;
      const { type, size } = dataset.metadata;
      if (type !== FLOAT || (size !== 4 && size !== 8)) {
        throw new ConversionError(`weight "${name}" has type ${dataset.dtype}, not float32`);
      }
      const values = dataset.value;
      const floats = values instanceof Float64Array ? new Float32Array(values) : values;
      if (floats instanceof Float32Array && floats.length === elementCount(shape)) return floats;
      throw new ConversionError(`weight "${name}" has not the values of its shape [${shape}]`);
    });
  }

  close(): void {
    try {
      this.#file.close();
    } catch {
      // The library cannot close a file that has damaged it; the error that it gave before says more.
    } finally {
      closeSync(this.#descriptor);
    }
  }
}

/** Lets the library see an open file in its own file system, read on demand. @returns the path there */
async function expose(descriptor: number): Promise<string> {
  const { FS, activate_throwing_error_handler } = await ready;
  // Otherwise it prints errors to the console.
  activate_throwing_error_handler();
  const { size } = fstatSync(descriptor);
  opened += 1;
  const path = `/model${opened}.h5`;
  FS.writeFile(path, new Uint8Array(0));
  const { node } = FS.lookupPath(path, {});
  const read = (_stream: unknown, buffer: Uint8Array, offset: number, length: number, position: number) =>
    readSync(descriptor, buffer, offset, Math.max(0, Math.min(length, size - position)), position);
  Object.assign(node, { usedBytes: size, stream_ops: { ...Reflect.get(node, 'stream_ops'), read } });
  return path;
}

interface StoredDataset {
  readonly dataset: Dataset;
  readonly shape: readonly number[];
  readonly bytes: number;
}

interface Contents {
  readonly datasets: Map<string, StoredDataset>;
  readonly groups: string[];
}

function collect(group: Group, path: string, depth: number, contents: Contents): void {
  const { datasets, groups } = contents;
  if (depth > MAX_DEPTH) throw new ConversionError(`its groups are nested more than ${MAX_DEPTH} deep at "${path}"`);
  for (const key of group.keys()) {
    const entity = group.get(key);
    const name = `${path}${key.replaceAll('\\', '/')}`;
    if (entity instanceof Dataset) {
      const shape = entity.shape ?? [];
      datasets.set(name, { dataset: entity, shape, bytes: elementCount(shape) * entity.metadata.size });
    } else if (entity instanceof Group) {
      groups.push(name);
      collect(entity, `${name}/`, depth + 1, contents);
    } else if (entity instanceof ExternalLink || entity instanceof BrokenSoftLink) {
      throw new ConversionError(`"${name}" is a link that leads out of the file`);
    }
    if (datasets.size + groups.length > MAX_OBJECTS) {
      throw new ConversionError(`it has more than ${MAX_OBJECTS} groups and datasets`);
    }
  }
}

/** The library throws errors of its own, and those of WebAssembly when a file has damaged it. */
function guarded<T>(what: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    if (cause instanceof ConversionError) throw cause;
    throw new ConversionError(`${what} cannot be read; the file may be damaged or cut off`, { cause });
  }
}
