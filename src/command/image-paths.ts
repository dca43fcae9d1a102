import { open, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { IMAGE_FORMATS_TEXT, SNIFFED_BYTES, startsLikeImage } from '../image/formats.ts';
import type { ImageInput } from '../library/answers.ts';

/** An image and the name under which it is printed. */
export interface InputImage {
  readonly name: string;
  readonly image: ImageInput;
}

/**
 * The images that were named: files, the images inside folders in the order of their names, and `-` for an image on standard input.
 * @throws Error that names a folder without images, or a pattern that the shell did not expand
 */
export async function inputImages(paths: readonly string[]): Promise<InputImage[]> {
  const found: InputImage[] = [];
  for (const path of paths) {
    if (path === '-') found.push({ name: 'standard input', image: await buffer(process.stdin) });
    else if (await isFolder(path)) found.push(...(await imagesIn(path)));
    else if (await isPattern(path)) {
      throw new Error(`no file is called ${path}: without quotes the shell puts the files in its place that match`);
    } else found.push({ name: path, image: path });
  }
  return found;
}

/** What is not there counts as a file: its answer is that it cannot be read, beside the answers for the others. */
async function isFolder(path: string): Promise<boolean> {
  const found = await stat(path).catch(() => undefined);
  return found?.isDirectory() ?? false;
}

async function isPattern(path: string): Promise<boolean> {
  return /[*?]/.test(path) && (await stat(path).catch(() => undefined)) === undefined;
}

async function imagesIn(folder: string): Promise<InputImage[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  const images: InputImage[] = [];
  for (const path of paths.sort()) if (await isImage(path)) images.push({ name: path, image: path });
  if (images.length === 0) throw new Error(`${folder} has no image: ${IMAGE_FORMATS_TEXT}`);
  return images;
}

/** Whether a file begins like an image; one that is damaged further on is named in the answer. */
async function isImage(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const { buffer: start, bytesRead } = await file.read(Buffer.alloc(SNIFFED_BYTES), 0, SNIFFED_BYTES, 0);
    return startsLikeImage(start.subarray(0, bytesRead));
  } finally {
    await file.close();
  }
}
