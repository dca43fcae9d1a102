import { type NodeAttributes, nodeProto, type OnnxConstant } from '../formats/onnx/nodes.ts';
import type { NodeProto } from '../formats/onnx/proto.ts';

/** Nodes that are added to a model, and the constants that they read. */
export interface Addition {
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly OnnxConstant[];
}

/** Builds a sequence of nodes, each of which reads the output of the one before. */
export class Chain {
  readonly #prefix: string;
  readonly #start: string;
  readonly #nodes: NodeProto[] = [];
  readonly #constants: OnnxConstant[] = [];

  /**
   * @param prefix prefix of the names of nodes and values
   * @param start the value that the first node reads
   */
  constructor(prefix: string, start: string) {
    this.#prefix = prefix;
    this.#start = start;
  }

  add(operator: string, attributes?: NodeAttributes): this {
    return this.#push(operator, [], attributes);
  }

  /** Adds a node whose other inputs are constants. */
  addWith(operator: string, constants: readonly Omit<OnnxConstant, 'name'>[], attributes?: NodeAttributes): this {
    const named = constants.map((constant, index) => ({ ...constant, name: `${this.#nextName(operator)}.${index}` }));
    this.#constants.push(...named);
    return this.#push(
      operator,
      named.map(({ name }) => name),
      attributes,
    );
  }

  /** Ends the sequence, and names its output. */
  endAs(output: string): Addition {
    const last = this.#nodes.at(-1);
    const nodes =
      last === undefined
        ? [nodeProto(`${this.#prefix}same`, 'Identity', [this.#start], output)]
        : [...this.#nodes.slice(0, -1), { ...last, outputs: [output] }];
    return { nodes, constants: this.#constants };
  }

  #push(operator: string, more: readonly string[], attributes: NodeAttributes = {}): this {
    const name = this.#nextName(operator);
    const [value = this.#start] = this.#nodes.at(-1)?.outputs ?? [];
    this.#nodes.push(nodeProto(name, operator, [value, ...more], name, attributes));
    return this;
  }

  #nextName(operator: string): string {
    return `${this.#prefix}${this.#nodes.length}:${operator}`;
  }
}

export function joined(...additions: readonly Addition[]): Addition {
  return {
    nodes: additions.flatMap(({ nodes }) => nodes),
    constants: additions.flatMap(({ constants }) => constants),
  };
}
