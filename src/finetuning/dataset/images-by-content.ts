import { AppError } from '../../common/errors.ts';
import { startsLikeImage } from '../../image/formats.ts';
import { isImageName } from './dataset-layout.ts';
import type { ImageSource, SourceFile } from './image-source.ts';

/** Extensions of files that come with data sets and are no images. */
const OTHER_EXTENSIONS =
  /\.(?:csv|tsv|json|jsonl|ndjson|txt|md|xml|ya?ml|html?|pdf|docx?|xlsx?|parquet|npy|npz|mat|h5|pkl|pth?|py|ipynb|sh|zip|tar|tgz|gz|bz2|xz|7z|rar|tm|mp4|mov|avi|mp3|wav|db|ini|log|lock|names|data|cfg)$/i;
/** Larger files without the name of an image are no photos. */
const MAX_BYTES = 64 * 1024 * 1024;
/** Bytes of all files that are read to see how they begin. */
const MAX_TOTAL_BYTES = 1024 * 1024 * 1024;

/**
 * Looks into files whose names say nothing, such as `1042`, `photo.bin` or `cat.jpg_large`, and marks those that begin
 * like images.
 */
export async function imagesByContent(
  files: readonly SourceFile[],
  source: Pick<ImageSource, 'read'>,
): Promise<SourceFile[]> {
  const looked: SourceFile[] = [];
  let totalBytes = 0;
  for (const file of files) {
    const says = isImageName(file.name) || OTHER_EXTENSIONS.test(file.name);
    const fits = file.bytes > 0 && file.bytes <= MAX_BYTES && totalBytes + file.bytes <= MAX_TOTAL_BYTES;
    if (says || !fits) looked.push(file);
    else {
      totalBytes += file.bytes;
      looked.push((await beginsLikeImage(file, source)) ? { ...file, startsLikeImage: true } : file);
    }
  }
  return looked;
}

/** A file that cannot be read is not an image. */
async function beginsLikeImage(file: SourceFile, source: Pick<ImageSource, 'read'>): Promise<boolean> {
  try {
    return startsLikeImage(await source.read(file));
  } catch (thrown) {
    if (thrown instanceof AppError) return false;
    throw thrown;
  }
}
