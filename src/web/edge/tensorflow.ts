import '@tensorflow/tfjs-backend-wasm';
import { setWasmPaths } from '@tensorflow/tfjs-backend-wasm';
import plainUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm.wasm?url';
import simdUrl from '@tensorflow/tfjs-backend-wasm/dist/tfjs-backend-wasm-simd.wasm?url';
import { enableProdMode, getBackend, type io, ready, setBackend, tensor, tidy } from '@tensorflow/tfjs-core';
import { type LayersModel, loadLayersModel } from '@tensorflow/tfjs-layers';
import { BACKEND_NAMES, BACKENDS, type BrowserBackend, obstacleTo } from './backends.ts';
import { disagreement, samplePixels } from './kernel-check.ts';

/** A backend that is not used, and why. */
export interface PassedBackend {
  readonly backend: BrowserBackend;
  readonly reason: string;
}

/** A TensorFlow.js model that is loaded. */
export interface BrowserNetwork {
  readonly backend: BrowserBackend;
  /** The faster backends, which do not work here. */
  readonly passed: readonly PassedBackend[];
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
 * Loads a TF.js layers model on the first backend that works. This module is imported when the first model is loaded,
 * since TensorFlow.js is large.
 * @param choice one backend, or `auto` for the fastest that there is
 * @throws Error when the browser does not support the chosen backend, or none of them
 */
export async function openNetwork(
  artifacts: io.ModelArtifacts,
  choice: BrowserBackend | 'auto',
): Promise<BrowserNetwork> {
  enableProdMode();
  setWasmPaths({
    'tfjs-backend-wasm.wasm': plainUrl,
    'tfjs-backend-wasm-simd.wasm': simdUrl,
    // Threads need shared memory, which browsers allow on cross-origin isolated pages only.
    'tfjs-backend-wasm-threaded-simd.wasm': simdUrl,
  });
  const passed: PassedBackend[] = [];
  for (const backend of choice === 'auto' ? BACKENDS : [choice]) {
    try {
      const obstacle = choice === 'auto' ? await obstacleTo(backend) : undefined;
      if (obstacle !== undefined) throw new Error(obstacle);
      const open = backend === 'webgpu' ? checked : opened;
      const { classify, close } = await open(artifacts, backend);
      const classifyHere = async (pixels: Uint8Array): Promise<NetworkOutputs> => {
        // TensorFlow.js has one backend for the page: a load that was given up may have ended since, on another one.
        if (getBackend() !== backend) await activate(backend);
        return classify(pixels);
      };
      return { backend, passed, classify: classifyHere, close };
    } catch (thrown) {
      passed.push({ backend, reason: thrown instanceof Error ? thrown.message : String(thrown) });
    }
  }
  const reasons = passed.map(({ backend, reason }) => `It does not run on ${BACKEND_NAMES[backend]}: ${reason}`);
  throw new Error([...reasons, ...(choice === 'auto' ? [] : ['Choose another place to run on.'])].join(' '));
}

type Network = Pick<BrowserNetwork, 'classify' | 'close'>;

async function opened(artifacts: io.ModelArtifacts, backend: BrowserBackend): Promise<Network> {
  await activate(backend);
  const { classify, close, size } = await loaded(artifacts);
  try {
    const { probabilities } = await classify(new Uint8Array(size[0] * size[1] * 3));
    const sum = probabilities.reduce((total, each) => total + each, 0);
    // Broken drivers give zeros or NaN.
    if (!Number.isFinite(sum) || sum <= 0) throw new Error('It computes wrong numbers here.');
    return { classify, close };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

/**
 * Loads a model on a young backend, whose kernels depend on the browser and the driver, and takes it only when it computes
 * what WebAssembly computes, which agrees with the server.
 */
async function checked(artifacts: io.ModelArtifacts, backend: BrowserBackend): Promise<Network> {
  await activate('wasm');
  // Its weights move to the other backend when that runs.
  const { classify, close, size } = await loaded(artifacts);
  try {
    const sample = samplePixels(...size);
    const { probabilities } = await classify(sample);
    await activate(backend);
    const wrong = disagreement(probabilities, (await classify(sample)).probabilities);
    if (wrong !== undefined) throw new Error(wrong);
    return { classify, close };
  } catch (thrown) {
    close();
    throw thrown;
  }
}

async function activate(backend: BrowserBackend): Promise<void> {
  if (backend === 'webgpu') await import('@tensorflow/tfjs-backend-webgpu');
  if (backend === 'webgl') await import('@tensorflow/tfjs-backend-webgl');
  if (backend === 'cpu') await import('@tensorflow/tfjs-backend-cpu');
  // TensorFlow.js falls back to another backend silently.
  await setBackend(backend);
  await ready();
  if (getBackend() !== backend) throw new Error('This browser does not support it.');
}

interface LoadedNetwork extends Network {
  /** Height and width of the input. */
  readonly size: readonly [height: number, width: number];
}

/** Loads a model on the active backend. */
async function loaded(artifacts: io.ModelArtifacts): Promise<LoadedNetwork> {
  const model = await loadLayersModel({ load: async () => artifacts });
  const [height = 0, width = 0] = model.inputs[0]?.shape.slice(1).map(Number) ?? [];
  const output = outputOf(model, 'probabilities');
  if (output === undefined) throw new Error('The model has no output “probabilities”.');
  const novelty = outputOf(model, 'novelty');
  const names = novelty === undefined ? [output] : [output, novelty];
  const classify = async (pixels: Uint8Array): Promise<NetworkOutputs> => {
    const results = [tidy(() => model.execute(tensor(pixels, [1, height, width, 3], 'float32'), names))].flat();
    try {
      const [probabilities, novelties] = await Promise.all(results.map((result) => result.data<'float32'>()));
      if (probabilities === undefined) throw new Error('The model returned nothing.');
      return { probabilities, novelty: novelties?.[0] };
    } finally {
      for (const result of results) result.dispose();
    }
  };
  return { classify, close: () => model.dispose(), size: [height, width] };
}

/** The tensor of an output, whose layer has its name; undefined when the model does not have it. */
function outputOf({ outputs, outputNames }: LayersModel, name: string): string | undefined {
  return outputs[outputNames.indexOf(name)]?.name;
}
