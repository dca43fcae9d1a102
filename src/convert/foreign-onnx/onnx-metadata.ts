import { readOnnxFile } from '../formats/onnx/reader.ts';

/** What an ONNX file says about its model outside its network. */
export interface OnnxMetadata {
  /** `metadata_props`. */
  readonly properties: ReadonlyMap<string, string>;
  /** The labels of the ZipMap that some exporters end with. */
  readonly zipMap: readonly string[] | undefined;
  /** Names of its outputs. */
  readonly outputs: readonly string[];
}

/** Reads the metadata of an ONNX file. @throws ConversionError when it cannot be read */
export async function readOnnxMetadata(path: string): Promise<OnnxMetadata> {
  const { model, graph } = await readOnnxFile(path);
  const zipMap = graph.nodes?.find(({ operator }) => operator === 'ZipMap');
  const listed = zipMap?.attributes?.find(({ name }) => name === 'classlabels_strings')?.strings;
  return {
    properties: new Map((model.metadata ?? []).map(({ key = '', value = '' }) => [key, value])),
    zipMap: listed?.map((bytes) => new TextDecoder().decode(bytes)),
    outputs: (graph.outputs ?? []).flatMap(({ name }) => name ?? []),
  };
}
