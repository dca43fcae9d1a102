import { type Attributes, type Constant, nodeProto } from '../formats/onnx/nodes.ts';
import type { NodeProto } from '../formats/onnx/proto.ts';

/** Nodes and the constants that they read. */
export interface Addition {
  readonly nodes: readonly NodeProto[];
  readonly constants: readonly Constant[];
}

/** Nodes that are added to a model, each reading what the one before it made. */
export class Chain {
  readonly #prefix: string;
  readonly #start: string;
  readonly #nodes: NodeProto[] = [];
  readonly #constants: Constant[] = [];

  /** @param prefix of the names of its nodes and values; @param start the value that the first one reads */
  constructor(prefix: string, start: string) {
    this.#prefix = prefix;
    this.#start = start;
  }

  add(operator: string, attributes?: Attributes): this {
    return this.#push(operator, [], attributes);
  }

  /** A node whose further inputs are constants. */
  addWith(operator: string, constants: readonly Omit<Constant, 'name'>[], attributes?: Attributes): this {
    const named = constants.map((constant, index) => ({ ...constant, name: `${this.#nextName(operator)}.${index}` }));
    this.#constants.push(...named);
    return this.#push(
      operator,
      named.map(({ name }) => name),
      attributes,
    );
  }

  /** The whole, with `output` as the name of what comes out. */
  endAs(output: string): Addition {
    const last = this.#nodes.at(-1);
    const nodes =
      last === undefined
        ? [nodeProto(`${this.#prefix}same`, 'Identity', [this.#start], output)]
        : [...this.#nodes.slice(0, -1), { ...last, outputs: [output] }];
    return { nodes, constants: this.#constants };
  }

  #push(operator: string, more: readonly string[], attributes: Attributes = {}): this {
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
