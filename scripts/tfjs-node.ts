/** Gives the optional @tensorflow/tfjs-node its native binding: npm run tfjs-node */
import { messageOf } from '../src/common/errors.ts';
import { installNativeBinding } from '../src/runtime/native-binding.ts';
import { loadTensorFlow } from '../src/runtime/tensorflow.ts';

try {
  const how = await installNativeBinding((line) => console.log(line));
  const { tf, backend } = await loadTensorFlow({ threads: 1, backend: 'tensorflow' });
  const [product] = await tf.tidy(() => tf.matMul(tf.tensor2d([[2, 3]]), tf.tensor2d([[4], [5]]))).data();
  if (product !== 23) throw new Error(`the native library multiplies wrongly: 2 x 4 + 3 x 5 gave ${product}`);
  console.log(`native TensorFlow.js ${tf.version['tfjs-core']}: ${how}, and it works (backend ${backend})`);
} catch (error) {
  console.error(`native TensorFlow.js: ${messageOf(error)}`);
  console.error('without it TensorFlow.js computes in WebAssembly, more slowly; nothing else is lost');
  process.exitCode = 1;
}
