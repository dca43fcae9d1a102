import { encode } from '../../common/protobuf.ts';
import { OUTPUT_NAMES } from '../../runtime/session.ts';
import { graphProto, type NodeProto } from '../formats/onnx/proto.ts';
import { subgraphs } from '../formats/onnx/reader.ts';

/** Names of the input and the outputs of a wrapped model. */
const OUR_NAMES: readonly string[] = ['pixels', ...OUTPUT_NAMES];

/** A prefix that no name of the model has, for values that are added to it. */
export function unusedPrefix(names: Iterable<string>): string {
  const used = [...names];
  let prefix = 'menagerie:';
  while (used.some((name) => name.startsWith(prefix))) prefix = `_${prefix}`;
  return prefix;
}

/** New names for values whose names are those of our input and outputs, unless `wanted` gives them these names. */
export function renamesOf(
  names: Iterable<string>,
  prefix: string,
  wanted: ReadonlyMap<string, string>,
): ReadonlyMap<string, string> {
  const clashes = [...names].filter((name) => OUR_NAMES.includes(name)).map((name) => [name, prefix + name] as const);
  return new Map([...clashes, ...wanted]);
}

/** Renames the values of a node, also in the graphs inside it. */
export function renameValues(node: NodeProto, renames: ReadonlyMap<string, string>): NodeProto {
  const rename = (value: string): string => renames.get(value) ?? value;
  const { inputs = [], outputs = [], attributes = [] } = node;
  const renamed = { ...node, inputs: inputs.map(rename), outputs: outputs.map(rename) };
  if (renames.size === 0 || subgraphs(node).length === 0) return renamed;
  const renameGraph = (graph: ReturnType<typeof subgraphs>[number]): Uint8Array =>
    encode(graphProto, { ...graph, nodes: (graph.nodes ?? []).map((inner) => renameValues(inner, renames)) });
  return {
    ...renamed,
    attributes: attributes.map((attribute) => {
      const [graph] = attribute.graph === undefined ? [] : subgraphs({ attributes: [{ graph: attribute.graph }] });
      if (graph !== undefined) return { ...attribute, graph: renameGraph(graph) };
      if (attribute.graphs === undefined) return attribute;
      return { ...attribute, graphs: subgraphs({ attributes: [{ graphs: attribute.graphs }] }).map(renameGraph) };
    }),
  };
}
