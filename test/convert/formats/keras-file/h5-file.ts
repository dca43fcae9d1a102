import { writeFile } from 'node:fs/promises';
import { File, Group, ready } from 'h5wasm';

/** A tensor to store, by its path. */
export interface StoredValues {
  readonly values: Float32Array;
  readonly shape: readonly number[];
}

/** Writes an HDF5 file. @param attributes of the whole file */
export async function writeH5(
  path: string,
  attributes: Readonly<Record<string, string | readonly string[]>>,
  tensors: Readonly<Record<string, StoredValues>>,
): Promise<void> {
  const { FS } = await ready;
  const file = new File('/written.h5', 'w');
  for (const [name, value] of Object.entries(attributes)) file.create_attribute(name, value as string);
  for (const [name, { values, shape }] of Object.entries(tensors)) {
    const parts = name.split('/');
    let group: Group = file;
    for (const part of parts.slice(0, -1)) {
      const inner = group.keys().includes(part) ? group.get(part) : group.create_group(part);
      if (!(inner instanceof Group)) throw new Error(`"${part}" of "${name}" is not a group`);
      group = inner;
    }
    group.create_dataset({ name: parts.at(-1) ?? '', data: values, shape: [...shape], dtype: '<f' });
  }
  file.close();
  await writeFile(path, FS.readFile('/written.h5'));
  FS.unlink('/written.h5');
}
