/** Entry of the process that tries a provider of ONNX Runtime: computes the smallest model, and prints what it found. */
import { messageOf } from '../common/errors.ts';
import { encode, integer, many, message, one, text } from '../common/protobuf.ts';
import type { ProviderCheck } from './execution-provider.ts';
import { onnxRuntime } from './onnx-runtime.ts';

const [, , provider = ''] = process.argv;
const listed: string[] = onnxRuntime.listSupportedBackends().map(({ name }) => name);
let reason: string | undefined;
if (listed.includes(provider)) {
  try {
    const session = await onnxRuntime.InferenceSession.create(smallestModel(), {
      executionProviders: [provider],
      logSeverityLevel: 4,
    });
    await session.run({ x: new onnxRuntime.Tensor('float32', Float32Array.of(1), [1]) });
  } catch (thrown) {
    reason = messageOf(thrown);
  }
}
const found: ProviderCheck = { listed, ...(reason !== undefined && { reason }) };
// After a line break: drivers may have printed something.
process.stdout.write(`\n${JSON.stringify(found)}`, () => process.exit(0));

/** `y = x + x`, for one float: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto */
function smallestModel(): Uint8Array {
  const FLOAT = 1;
  const shape = message({ dims: many(1, message({ value: one(1, integer) })) });
  const type = message({ tensor: one(1, message({ elementType: one(1, integer), shape: one(2, shape) })) });
  const value = message({ name: one(1, text), type: one(2, type) });
  const node = message({ inputs: many(1, text), outputs: many(2, text), operator: one(4, text) });
  const graph = message({
    nodes: many(1, node),
    name: one(2, text),
    inputs: many(11, value),
    outputs: many(12, value),
  });
  const model = message({
    irVersion: one(1, integer),
    graph: one(7, graph),
    operatorSets: many(8, message({ version: one(2, integer) })),
  });
  const float = (name: string) => ({
    name,
    type: { tensor: { elementType: FLOAT, shape: { dims: [{ value: 1 }] } } },
  });
  return encode(model, {
    irVersion: 8,
    graph: {
      name: 'double',
      nodes: [{ inputs: ['x', 'x'], outputs: ['y'], operator: 'Add' }],
      inputs: [float('x')],
      outputs: [float('y')],
    },
    operatorSets: [{ version: 17 }],
  });
}
