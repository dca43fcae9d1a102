/** Installs the native binding of the optional package @tensorflow/tfjs-node. */
import { messageOf } from '../src/common/errors.ts';
import { installNativeBinding } from '../src/runtime/native-binding.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';
import { expectEnd, readCommandLine } from './command-line.ts';

const USAGE = `usage: npm run tfjs-node

Installs the native binding of TensorFlow.js: downloads it, or compiles it against the TensorFlow
wheel of the Python registry (which needs python3 with pip, and g++).`;

readCommandLine(USAGE, {}, ({ positionals }) => expectEnd(positionals));

try {
  const how = await installNativeBinding((line) => console.log(line));
  const { tf, backend } = await loadTensorFlow({ threads: 1, backend: 'tensorflow' });
  const [product] = await tf.tidy(() => tf.matMul(tf.tensor2d([[2, 3]]), tf.tensor2d([[4], [5]]))).data();
  if (product !== 23) throw new Error(`the native library computes 2 x 4 + 3 x 5 = ${product}`);
  console.log(`native TensorFlow.js ${tf.version_core}: ${how}; it works (backend ${backend})`);
} catch (error) {
  console.error(`native TensorFlow.js could not be installed: ${messageOf(error)}`);
  console.error('Without it TensorFlow.js computes in WebAssembly, which is slower. Everything else works the same.');
  process.exitCode = 1;
}
