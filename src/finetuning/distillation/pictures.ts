import { createHash } from 'node:crypto';
import { forEachConcurrently } from '../../common/concurrency.ts';
import { AppError } from '../../common/errors.ts';
import { isImageName, systemFileReason } from '../dataset/dataset-layout.ts';
import { assignSplits, type SplitOptions } from '../dataset/dataset-split.ts';
import type { ImageSource, SourceFile } from '../dataset/image-source.ts';
import { imagesByContent } from '../dataset/images-by-content.ts';
import type { Split } from '../dataset/split-names.ts';
import type { FeatureExtraction } from '../features/feature-extraction.ts';

/** The fewest pictures that can be divided into training, validation and test. */
const MIN_PICTURES = 20;

/** A picture without a label. */
export interface Picture {
  readonly file: SourceFile;
  /** SHA-256 of the file, in hex. */
  readonly digest: string;
  /** SHA-256 of its pixels, in hex. */
  readonly pixelDigest: string;
  readonly split: Split;
}

/** The pictures of a source. */
export interface Pictures {
  /** Sorted by name. */
  readonly pictures: readonly Picture[];
  readonly unreadable: readonly { readonly file: string; readonly reason: string }[];
  /** Files that are no pictures. */
  readonly ignored: number;
}

/**
 * Reads all pictures of a source, whatever its folders are called, with both networks.
 * @throws AppError `dataset_too_small` that names pictures that cannot be read, when fewer than 20 can
 */
export async function readPictures(
  source: ImageSource,
  extractions: readonly FeatureExtraction[],
  split: SplitOptions,
  concurrency: number,
  onProgress: (done: number, total: number) => void,
): Promise<Pictures> {
  const named = source.files.filter(({ name }) => systemFileReason(name) === undefined);
  const files = (await imagesByContent(named, source)).filter(
    ({ name, startsLikeImage }) => startsLikeImage || isImageName(name),
  );
  const read: Omit<Picture, 'split'>[] = [];
  const unreadable: { file: string; reason: string }[] = [];
  let done = 0;
  await forEachConcurrently(files, concurrency, async (file) => {
    try {
      const content = await source.read(file);
      const digest = createHash('sha256').update(content).digest('hex');
      const [facts] = await Promise.all(extractions.map((extraction) => extraction.inspect(content, digest)));
      read.push({ file, digest, pixelDigest: facts?.pixelDigest ?? digest });
    } catch (thrown) {
      if (!(thrown instanceof AppError)) throw thrown;
      unreadable.push({ file: file.name, reason: thrown.message });
    }
    done += 1;
    onProgress(done, files.length);
  });
  read.sort((a, b) => (a.file.name < b.file.name ? -1 : 1));
  unreadable.sort((a, b) => (a.file < b.file ? -1 : 1));
  const pictures = withoutCopies(read);
  if (pictures.length < MIN_PICTURES) throw tooFew(pictures.length, unreadable);
  const splits = assignSplits(
    pictures.map(({ pixelDigest }) => ({ label: '', split: undefined, digest: pixelDigest })),
    split,
  );
  return {
    pictures: pictures.map((picture, index) => ({ ...picture, split: splits[index] ?? 'train' })),
    unreadable,
    ignored: source.files.length - files.length,
  };
}

function withoutCopies<T extends { readonly pixelDigest: string }>(pictures: readonly T[]): T[] {
  const seen = new Set<string>();
  return pictures.filter(({ pixelDigest }) => !seen.has(pixelDigest) && seen.add(pixelDigest));
}

function tooFew(found: number, unreadable: Pictures['unreadable']): AppError {
  const [first] = unreadable;
  const damaged =
    first === undefined ? '' : `; ${unreadable.length} cannot be read, such as ${first.file}: ${first.reason}`;
  return new AppError(
    'dataset_too_small',
    `a distillation needs at least ${MIN_PICTURES} different pictures, and there are ${found}${damaged}; ` +
      'give pictures of all that the teacher shall pass on, hundreds if you can',
    { context: { minimum: MIN_PICTURES, found, unreadable: unreadable.slice(0, 10) } },
  );
}
