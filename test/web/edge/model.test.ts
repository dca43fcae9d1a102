import { expect, test, vi } from 'vitest';
import type { Client } from '../../../src/web/api/client.ts';
import { loadBrowserModel } from '../../../src/web/edge/model.ts';
import { writeZip } from '../../../src/web/zip/write.ts';

/** What the network in the browser computes: TensorFlow.js and the canvas need a browser. */
const computed = vi.hoisted(() => ({ probabilities: Float32Array.of(0.1, 0.9), novelty: 0 as number | undefined }));
vi.mock('../../../src/web/edge/pixels.ts', () => ({ pixelsOf: () => new Uint8Array(3) }));
vi.mock('../../../src/web/edge/tensorflow.ts', () => ({
  openNetwork: async () => ({ backend: 'wasm', passed: [], classify: async () => computed, close: () => {} }),
}));

const card = {
  input: { height: 1, width: 1 },
  preprocessing: { resize_mode: 'crop', crop_pct: 1, interpolation: 'bilinear' },
  classes: [{ label: 'ant' }, { label: 'bee' }],
};

test.each([
  ['a detector that knows the image', 0.99, undefined, false],
  ['a detector that does not', 1.01, undefined, true],
  ['no detector', undefined, undefined, undefined],
  ['a best score below the threshold of an older version', undefined, 0.95, true],
  ['a best score above it', undefined, 0.85, false],
])('with %s, the answer in the browser says so beside the classes', async (_, novelty, unknown_threshold, unknown) => {
  computed.novelty = novelty;
  const exported = await writeZip([
    { name: 'card.json', content: new Blob([JSON.stringify({ ...card, unknown_threshold })]) },
    { name: 'model.json', content: new Blob([JSON.stringify({ modelTopology: {}, weightsManifest: [] })]) },
  ]);
  const client = { call: async () => new Response(exported) } as unknown as Client;
  const model = await loadBrowserModel({
    client,
    id: 'insects',
    backend: 'wasm',
    quantize: 'float32',
    signal: new AbortController().signal,
    onProgress: () => {},
  });
  const answer = await model.classify({} as ImageBitmap);
  expect(answer.unknown).toBe(unknown);
  expect(answer.predictions.map(({ label }) => label)).toEqual(['bee', 'ant']);
});
