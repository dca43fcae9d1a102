import '@tensorflow/tfjs-backend-wasm';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import plainUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import { enableProdMode, getBackend, type io, ready, setBackend, tensor, tidy } from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';

/** The processor, by WebAssembly, or the graphics card, by WebGL. */
export type BrowserBackend = 'wasm' | 'webgl';

/** A TensorFlow.js model that is loaded. */
export interface BrowserNetwork {
  /** Computes the outputs for an image. @param pixels RGB of the input's size, 0..255 */
  classify(pixels: Uint8Array): Promise<NetworkOutputs>;
  close(): void;
}

/** The outputs of a network for one image. */
export interface NetworkOutputs {
  readonly probabilities: Float32Array;
  /** Above 1 when the image shows none of the classes; undefined when the model has no detector. */
  readonly novelty: number | undefined;
}

/**
 * Loads a TF.js layers model. This module is imported when the first model is loaded, since TensorFlow.js is large.
 * @throws Error when the browser does not support the backend
 */
export async function openNetwork(artifacts: io.ModelArtifacts, backend: BrowserBackend): Promise<BrowserNetwork> {
  await activate(backend);
  const model = await loadLayersModel({ load: async () => artifacts });
  const [height = 0, width = 0] = model.inputs[0]?.shape.slice(1).map(Number) ?? [];
  const output = outputOf(model, 'probabilities');
  if (output === undefined) throw new Error('The model has no output “probabilities”.');
  const novelty = outputOf(model, 'novelty');
  const names = novelty === undefined ? [output] : [output, novelty];
  return {
    classify: async (pixels) => {
      const results = [tidy(() => model.execute(tensor(pixels, [1, height, width, 3], 'float32'), names))].flat();
      try {
        const [probabilities, novelties] = await Promise.all(results.map((result) => result.data<'float32'>()));
        if (probabilities === undefined) throw new Error('The model returned nothing.');
        return { probabilities, novelty: novelties?.[0] };
      } finally {
        for (const result of results) result.dispose();
      }
    },
    close: () => model.dispose(),
  };
}

async function activate(backend: BrowserBackend): Promise<void> {
  enableProdMode();
  setWasmPaths({
    'tfjs-backend-wasm.wasm': plainUrl,
    'tfjs-backend-wasm-simd.wasm': simdUrl,
    // Threads need shared memory, which browsers allow on cross-origin isolated pages only.
    'tfjs-backend-wasm-threaded-simd.wasm': simdUrl,
  });
  if (backend === 'webgl') await import('@tensorflow/tfjs-backend-webgl');
  // TensorFlow.js falls back to another backend silently.
  await setBackend(backend);
  await ready();
  if (getBackend() !== backend)
    throw new Error(
      `This browser does not support ${backend === 'webgl' ? 'WebGL' : 'WebAssembly'}. Choose the other option.`,
    );
}

/** The tensor of an output, whose layer has its name; undefined when the model does not have it. */
function outputOf({ outputs, outputNames }: LayersModel, name: string): string | undefined {
  return outputs[outputNames.indexOf(name)]?.name;
}
