import { readOnnxFile } from '../formats/onnx/reader.ts';
import type { NoveltyValues } from '../transfer/novelty.ts';
import { exportedNovelty } from './exported-novelty.ts';

/** What an ONNX file says about its model, beside the network of the classifier. */
export interface OnnxMetadata {
  /** `metadata_props`. */
  readonly properties: ReadonlyMap<string, string>;
  /** The labels of the ZipMap that some exporters end with. */
  readonly zipMap: readonly string[] | undefined;
  /** Names of its outputs. */
  readonly outputs: readonly string[];
  /** The detector of unknown images, of a model that this project has exported. */
  readonly novelty: NoveltyValues | undefined;
}

/** Reads the metadata of an ONNX file. @throws ConversionError when it cannot be read */
export async function readOnnxMetadata(path: string): Promise<OnnxMetadata> {
  const file = await readOnnxFile(path);
  const { model, graph } = file;
  const zipMap = graph.nodes?.find(({ operator }) => operator === 'ZipMap');
  const listed = zipMap?.attributes?.find(({ name }) => name === 'classlabels_strings')?.strings;
  return {
    properties: new Map((model.metadata ?? []).map(({ key = '', value = '' }) => [key, value])),
    zipMap: listed?.map((bytes) => new TextDecoder().decode(bytes)),
    outputs: (graph.outputs ?? []).flatMap(({ name }) => name ?? []),
    novelty: await exportedNovelty(file),
  };
}
