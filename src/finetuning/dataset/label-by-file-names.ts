import {
  type DatasetWarning,
  isImage,
  type LabelledImages,
  labelText,
  withoutImageExtension,
} from './dataset-layout.ts';
import type { SourceFile } from './image-source.ts';
import { isGenericName, splitOf, splitOfFolders } from './split-names.ts';

/** With fewer, what the names begin with is hardly a class. */
const MIN_IMAGES_PER_CLASS = 5;
/** Classes to name in the warning. */
const MAX_NAMED = 10;

/** What cameras, phones and programs begin names with. */
const CAMERA_NAME =
  /^(?:img|image|pic|photo|dsc[nf]?|dscn|pxl|mvi|vid|p|gopr|dji|scan|screen ?shot|whatsapp image|frame|untitled|download)$/i;
/** Before the class: `IMG_cat_1`. */
const CAMERA_PREFIX = /^(?:img|image|pic|photo|dsc[nf]?|frame|scan)[\W_]+(?=\p{L})/iu;

/**
 * Labels images by what their names have before or after a number: `cat.0.jpg`, `golden_retriever_12.jpg`, `cat (1).jpg`,
 * `0_cat.jpg`, and `IMG_cat_1.jpg` as well. The folders are
 * splits if their names mean different ones.
 * @returns undefined unless half of the images fall into classes of several images
 */
export function labelByFileNames(candidates: readonly SourceFile[]): LabelledImages | undefined {
  const images = candidates.filter(isImage);
  const byLabel = new Map<string, SourceFile[]>();
  for (const file of images) {
    const label = labelInName(file.name);
    if (label === undefined) continue;
    const members = byLabel.get(label);
    if (members === undefined) byLabel.set(label, [file]);
    else members.push(file);
  }
  const classes = [...byLabel].filter(([, members]) => members.length >= MIN_IMAGES_PER_CLASS);
  const labels = new Map(classes.flatMap(([label, members]) => members.map((file) => [file, label] as const)));
  if (classes.length < 2 || labels.size * 2 < images.length) return undefined;

  const someSplit = new Set([...labels.keys()].map(({ name }) => splitOfFolders(name) ?? 'train')).size > 1;
  const files = candidates.flatMap((file) => {
    const label = labels.get(file);
    if (label === undefined) return [];
    return [{ file, label, split: someSplit ? (splitOfFolders(file.name) ?? ('train' as const)) : undefined }];
  });
  const unused = candidates
    .filter((file) => !labels.has(file))
    .map((file) => ({ name: file.name, reason: isImage(file) ? ('no_label' as const) : ('not_an_image' as const) }));
  const names = classes.map(([label]) => label).sort();
  return { layout: 'file_names', files, unused, missing: [], warnings: [takenFromNames(names, files.length)] };
}

/** The text before the number at the end of a file's name, else that behind the number at its beginning. */
function labelInName(name: string): string | undefined {
  const stem = withoutImageExtension(name.slice(name.lastIndexOf('/') + 1));
  const text =
    /^(.*?\p{L}.*?)[\s._!-]*(?:\(\d+\)|\d+)$/u.exec(stem)?.[1] ??
    /^\d+[\s._-]+(\p{L}[\p{L}\p{M}\s_-]*)$/u.exec(stem)?.[1];
  if (text === undefined) return undefined;
  const label = labelText(text.replace(CAMERA_PREFIX, ''));
  const isClass = label !== '' && !CAMERA_NAME.test(label) && !isGenericName(label) && splitOf(label) === undefined;
  return isClass ? label : undefined;
}

function takenFromNames(classes: readonly string[], images: number): DatasetWarning {
  const shown = classes.slice(0, MAX_NAMED).map((name) => JSON.stringify(name));
  const more = classes.length > MAX_NAMED ? ` and ${classes.length - MAX_NAMED} more` : '';
  return {
    code: 'labels_from_file_names',
    message:
      `no folder and no table gives classes, so they are taken from the names of ${images} images: ` +
      `${shown.join(', ')}${more}; if that is wrong, put the images into one folder per class`,
    context: { classes: classes.slice(0, MAX_NAMED), images },
  };
}
