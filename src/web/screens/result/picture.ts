import { type Child, h } from '../../dom.ts';
import { nameInDraft } from '../../draft/pack.ts';

/** Data URLs of the images of a report, by the name of the image. */
export type Pictures = Readonly<Record<string, string>>;

/** An image of a report with words below it; its name where the report does not keep it. */
export function pictureItem(image: string, pictures: Pictures, ...words: readonly Child[]): HTMLLIElement {
  const source = pictures[image];
  const name = fileName(image);
  return h(
    'li',
    {},
    source?.startsWith('data:image/')
      ? h('img', { src: source, alt: name, title: image, class: 'thumb' })
      : h('span', { class: 'thumb small', title: image }, name),
    words,
  );
}

/** The name of an image without its folders, as its user called it. */
export function fileName(image: string): string {
  return nameInDraft(image.split('/').at(-1) ?? image);
}
