import type { TensorFlow } from '../../src/runtime/tensorflow.ts';

/**
 * TensorFlow.js on WebAssembly has no kernel for the gradient of a convolution by its filter, so it cannot train a
 * network. It has one for the convolution of volumes, of which ours is the case of depth 1.
 */
export function addFilterGradient(tf: TensorFlow): void {
  if (tf.getKernel('Conv2DBackpropFilter', 'wasm')) return;
  const volume = tf.getKernel('Conv3DBackpropFilterV2', 'wasm');
  tf.registerKernel({
    kernelName: 'Conv2DBackpropFilter',
    backendName: 'wasm',
    kernelFunc: ({ inputs, attrs, backend }) => {
      const { x, dy } = inputs;
      const { strides, pad, filterShape } = attrs ?? {};
      if (!x || !dy || !Array.isArray(filterShape) || strides === undefined || pad === undefined) {
        throw new Error('the gradient of a convolution lacks an input');
      }
      const deep = (info: typeof x) => ({ ...info, shape: [info.shape[0] ?? 0, 1, ...info.shape.slice(1)] });
      const [vertical, horizontal] = Array.isArray(strides) ? strides.map(Number) : [Number(strides), Number(strides)];
      const result = volume.kernelFunc({
        inputs: { x: deep(x), dy: deep(dy) },
        attrs: {
          strides: [1, vertical ?? 1, horizontal ?? 1],
          pad,
          filterShape: [1, ...filterShape.map(Number)],
        },
        backend,
      });
      const [info] = Array.isArray(result) ? result : [result];
      if (!info) throw new Error('the kernel gave nothing');
      return { ...info, shape: filterShape.map(Number) };
    },
  });
}
