import type { Node } from '../../graph/ir.ts';
import type { Weight } from '../../graph/tensors.ts';
import { emitNode, nodeProto, type OnnxConstant } from './nodes.ts';
import type { NodeProto } from './proto.ts';

/** Gives the name of the output of a layer. */
export type NameOf = (node: Node) => string;

/** The parts of a model while it is being built. */
export class Emitted {
  readonly nodes: NodeProto[] = [];
  readonly weights = new Map<string, Weight>();
  readonly constants: OnnxConstant[] = [];

  /** Adds a node whose only output has the same name. */
  add(name: string, operator: string, inputs: readonly string[], attributes?: Parameters<typeof nodeProto>[4]): string {
    this.nodes.push(nodeProto(name, operator, inputs, name, attributes));
    return name;
  }

  constant(name: string, shape: readonly number[], values: OnnxConstant['values']): string {
    this.constants.push({ name, shape, values });
    return name;
  }

  /** In `sizes`, 0 keeps the size of the input and -1 takes the remaining values. */
  reshape(name: string, input: string, sizes: readonly number[]): string {
    const shape = this.constant(`${name}.shape`, [sizes.length], BigInt64Array.from(sizes, BigInt));
    return this.add(name, 'Reshape', [input, shape]);
  }

  weight(weight: Weight): string {
    this.weights.set(weight.name, weight);
    return weight.name;
  }

  /** Adds layers of the classifier. */
  layers(nodes: readonly Node[], nameOf: NameOf): void {
    for (const node of nodes) {
      const values = { inputs: node.inputs.map(nameOf), output: nameOf(node) };
      const { nodes: emitted, weights = [], constants = [] } = emitNode(node, values, 'uint8');
      this.nodes.push(...emitted);
      this.constants.push(...constants);
      for (const weight of weights) this.weight(weight);
    }
  }
}
