import { type DatasetWarning, isImage, withoutImageExtension } from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';
import { isGenericName } from './split-names.ts';

/** What is added to the name of an image for its mask: `benign (1)_mask.png`. */
const MASK_ENDING = /[\s_-]+(?:mask|segmentation|trimap)s?(?:[\s_-]*\d+)?$/i;
/** Folders of masks; those that may as well be a class only if the images are in a folder such as `images`. */
const MASK_FOLDER = /^(?:trimaps?|annotations?|segmentations?|(?:segmentation|seg)[_-]?masks?|ground[_-]?truths?)$/i;
const MAYBE_MASK_FOLDER = /^(?:masks?|labels?|gt)$/i;

/**
 * The drawings of where the objects are, for segmentation: they are named like the image that they belong to. They are
 * no images of a class.
 */
export function masksAmong(files: readonly SourceFile[]): {
  readonly masks: ReadonlySet<SourceFile>;
  readonly warnings: readonly DatasetWarning[];
} {
  const images = files.filter(isImage);
  const paths = new Set(images.map(pathOf));
  const suspects = new Set(images.filter((file) => foldersOf(file).some((folder) => maskFolder(folder) !== undefined)));
  const stems = new Map(images.filter((file) => !suspects.has(file)).map((file) => [stemOf(file), file]));
  const masks = new Set(
    images.filter((file) => MASK_ENDING.test(pathOf(file)) && paths.has(pathOf(file).replace(MASK_ENDING, ''))),
  );
  for (const file of suspects) {
    const image = stems.get(stemOf(file).replace(MASK_ENDING, ''));
    const isCertain = foldersOf(file).some((folder) => maskFolder(folder) === 'certain');
    if (image !== undefined && (isCertain || foldersOf(image).some(isGenericName))) masks.add(file);
  }
  const [first] = masks;
  if (first === undefined) return { masks, warnings: [] };
  return {
    masks,
    warnings: [
      {
        code: 'masks_not_used',
        message:
          `${masks.size} files are named like masks of images, for example ${JSON.stringify(first.name)}, and are not ` +
          'used: images are classified as a whole',
        context: { count: masks.size, files: [...masks].slice(0, 5).map(({ name }) => name) },
      },
    ],
  };
}

function maskFolder(name: string): 'certain' | 'possible' | undefined {
  if (MASK_FOLDER.test(name)) return 'certain';
  return MAYBE_MASK_FOLDER.test(name) ? 'possible' : undefined;
}

function foldersOf({ name }: SourceFile): string[] {
  return name.split('/').slice(0, -1);
}

function pathOf({ name }: SourceFile): string {
  return withoutImageExtension(name);
}

function stemOf(file: SourceFile): string {
  return pathOf(file).slice(file.name.lastIndexOf('/') + 1);
}
