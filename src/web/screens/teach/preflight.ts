import type { FileGroups, PreflightReport } from '../../api/schema.ts';
import { sentence } from '../../components/notice.ts';
import { stackedBars } from '../../components/stacked-bars.ts';
import { type Child, fill, h, icon } from '../../dom.ts';
import type { PackedDataset } from '../../draft/pack.ts';
import { count, counted } from '../../format.ts';

/** Groups of copies to show for each warning. */
const SHOWN_GROUPS = 4;
const SHOWN_FILES = 6;
/** Classes to show samples of. */
const SHOWN_CLASSES = 20;

/** The report of the server about a data set: counts, warnings and samples. */
export function preflightView(
  report: PreflightReport,
  { imageOf, samples }: Pick<PackedDataset, 'imageOf' | 'samples'>,
): HTMLElement {
  const { classes, images, warnings } = report;
  const inside = h('div', { class: 'inside' });
  void samples().then((found) =>
    fill(
      inside,
      classes.slice(0, SHOWN_CLASSES).map(({ name }) => sampleRow(name, found.get(name), imageOf)),
    ),
  );
  const rows = classes.map(({ name, train, validation, test }) => ({ name, parts: [train, validation, test] }));
  return h(
    'div',
    { class: 'block preflight' },
    h('p', {}, sentence(report.will_train)),
    h(
      'div',
      { class: 'columns' },
      h(
        'div',
        { class: 'panel' },
        stackedBars(counted(images['used'] ?? 0, 'image'), ['train', 'validation', 'test'], rows),
      ),
      h(
        'div',
        { class: 'panel block' },
        h('h3', {}, warnings.length === 0 ? 'No problems found' : 'Warnings'),
        h(
          'ul',
          { class: 'findings' },
          warnings.map(({ code, message }) =>
            h(
              'li',
              { class: 'caution' },
              icon('warning'),
              h('div', {}, sentence(message), examples(report, code, imageOf)),
            ),
          ),
        ),
      ),
    ),
    h('div', { class: 'panel block' }, h('h3', {}, 'Samples'), inside),
  );
}

/** Some images of a class. */
function sampleRow(name: string, files: readonly string[] | undefined, imageOf: PackedDataset['imageOf']): Child {
  if (files === undefined) return undefined;
  return h(
    'div',
    { class: 'sample-row' },
    h('span', { class: 'small', title: name }, name),
    h(
      'div',
      { class: 'sample-strip' },
      files.map((file) => shown(file, imageOf)),
    ),
  );
}

/** The files that a warning is about, as images if the page has them. */
function examples(report: PreflightReport, code: string, imageOf: PackedDataset['imageOf']): Child {
  switch (code) {
    case 'duplicates':
      return groups(report.duplicates, imageOf);
    case 'near_duplicates':
      return groups(report.near_duplicates, imageOf);
    case 'conflicting_labels':
      return groups(report.conflicting_labels, imageOf);
    case 'leakage':
      return groups(report.leakage, imageOf);
    case 'unreadable':
      return fileList(
        report.unreadable.examples.map(({ file, reason }) => `${file}: ${reason}`),
        report.unreadable.count,
      );
    case 'small_images':
      return fileList(
        (report.small_images?.examples ?? []).map(({ file, width, height }) => `${file}, ${width} × ${height}`),
        report.small_images?.count,
      );
    case 'few_images':
      return fileList(
        report.classes.filter(({ images }) => images < 50).map(({ name, images }) => `${name}: ${images}`),
      );
    default:
      return undefined;
  }
}

/** @param total number of files, of which `lines` are examples */
function fileList(lines: readonly string[], total = lines.length): HTMLElement {
  const shown = lines.slice(0, SHOWN_FILES);
  const more = total - shown.length;
  return h(
    'ul',
    { class: 'small muted' },
    shown.map((line) => h('li', {}, line)),
    more > 0 && h('li', {}, `and ${count(more)} more`),
  );
}

function groups(found: FileGroups | undefined, imageOf: PackedDataset['imageOf']): HTMLElement {
  return h(
    'ul',
    { class: 'groups' },
    (found?.examples ?? []).slice(0, SHOWN_GROUPS).map((files) =>
      h(
        'li',
        {},
        files.slice(0, SHOWN_FILES).map(({ file, label }) => picture(file, label, imageOf)),
      ),
    ),
  );
}

function picture(name: string, label: string, imageOf: PackedDataset['imageOf']): HTMLElement {
  return h('figure', { title: name }, shown(name, imageOf), h('figcaption', { class: 'small muted' }, label));
}

/** An image of the data set, or its name if the page does not have it. */
function shown(name: string, imageOf: PackedDataset['imageOf']): HTMLElement {
  const image = h('img', { alt: '', class: 'thumb' });
  const place = h('span', { class: 'thumb', title: name }, image);
  imageOf(name).then(
    (blob) => {
      if (blob === undefined) return fill(place, h('span', { class: 'small' }, name));
      const url = URL.createObjectURL(blob);
      image.src = url;
      image.addEventListener('load', () => URL.revokeObjectURL(url), { once: true });
    },
    () => fill(place, h('span', { class: 'small' }, name)),
  );
  return place;
}
