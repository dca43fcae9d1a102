import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import type { ImageInput } from '../library/answers.ts';

/** Endings of image files that are taken from a folder; a file that is named itself may have any. */
const IMAGE_ENDING = /\.(jpe?g|png|webp|gif|tiff?|avif)$/i;

/** An image and the name under which it is printed. */
export interface InputImage {
  readonly name: string;
  readonly image: ImageInput;
}

/**
 * The images that were named: files, the images inside folders by name, and `-` for an image on standard input.
 * @throws Error that names a folder without images
 */
export async function inputImages(paths: readonly string[]): Promise<InputImage[]> {
  const found: InputImage[] = [];
  for (const path of paths) {
    if (path === '-') found.push({ name: 'standard input', image: await buffer(process.stdin) });
    else if (await isFolder(path)) found.push(...(await imagesIn(path)));
    else found.push({ name: path, image: path });
  }
  return found;
}

/** What is not there counts as a file: its answer is that it cannot be read, beside the answers for the others. */
async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

async function imagesIn(folder: string): Promise<InputImage[]> {
  const entries = await readdir(folder, { recursive: true });
  const names = entries.filter((name) => IMAGE_ENDING.test(name)).sort();
  if (names.length === 0) throw new Error(`${folder} has no image: JPEG, PNG, WebP, GIF, TIFF or AVIF`);
  return names.map((name) => ({ name: join(folder, name), image: join(folder, name) }));
}
