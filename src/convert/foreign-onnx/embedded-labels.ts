import type { OnnxFile } from '../formats/onnx/reader.ts';

/** Names of the classes that a model contains, and where. */
export interface EmbeddedLabels {
  readonly labels: readonly string[];
  readonly source: string;
}

/** An entry of the Python dict that Ultralytics writes: `{0: 'ant', 1: "bee's"}`. */
const NAME = /(\d+):\s*(?:'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)")/g;

/** Finds the names of the classes: in the metadata of Ultralytics, or in the ZipMap that other exporters end with. */
export function embeddedLabels({ model, graph }: OnnxFile): EmbeddedLabels | undefined {
  const names = model.metadata?.find(({ key }) => key === 'names')?.value ?? '';
  const entries = [...names.matchAll(NAME)].map(([, index, single, double]) => {
    return { index: Number(index), label: (single ?? double ?? '').replace(/\\(.)/g, '$1') };
  });
  if (entries.length > 1 && entries.every(({ index }, position) => index === position)) {
    return { labels: entries.map(({ label }) => label), source: 'the metadata of the model' };
  }
  const zipMap = graph.nodes?.find(({ operator }) => operator === 'ZipMap');
  const listed = zipMap?.attributes?.find(({ name }) => name === 'classlabels_strings')?.strings ?? [];
  if (listed.length < 2) return undefined;
  return { labels: listed.map((bytes) => new TextDecoder().decode(bytes)), source: 'the ZipMap of the model' };
}
