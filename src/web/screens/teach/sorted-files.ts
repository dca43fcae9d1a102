import { isImage, isZip } from '../../draft/draft.ts';

/** Names of refused files that are said. */
const SAID_NAMES = 3;

/** Files by what can be done with them. */
export interface SortedFiles {
  /** A zip stands for a whole data set. */
  readonly zip: File | undefined;
  readonly images: readonly File[];
  /** Says which files are left out, and why; undefined when none is. */
  readonly others: string | undefined;
}

/** Sorts files that were chosen, dropped or pasted. A dropped folder may hold other files than images. */
export function sorted(files: readonly File[]): SortedFiles {
  const zip = files.find(isZip);
  const others = files.filter((file) => !isImage(file) && !isZip(file)).map(({ name }) => `“${name}”`);
  const said = others.slice(0, SAID_NAMES).join(', ');
  const more = others.length > SAID_NAMES ? ` and ${others.length - SAID_NAMES} more` : '';
  const words = `${said}${more} ${others.length === 1 ? 'is no image and was' : 'are no images and were'} left out.`;
  return { zip, images: files.filter(isImage), others: others.length === 0 ? undefined : words };
}
