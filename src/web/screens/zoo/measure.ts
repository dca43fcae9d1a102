import type { Client } from '../../api/client.ts';
import { patiently } from '../../api/patience.ts';
import { jpegOf } from '../../camera.ts';
import { h } from '../../dom.ts';
import { median } from '../../format.ts';
import type { Speed } from '../../session.ts';

const WARM_UPS = 2;
const ALONE = 12;
const TOGETHER = 48;
const AT_ONCE = 8;
/** Size of the test image: about that of an ImageNet photo. */
const WIDTH = 500;
const HEIGHT = 375;

/** Measures a model through the API: with one request after the other, then with several at once. */
export async function measureSpeed(client: Client, model: string, signal: AbortSignal): Promise<Speed> {
  const photo = await testPhoto();
  const attempt = async (): Promise<{ ms: number; inferenceMs: number }> => {
    const start = performance.now();
    const { results } = await client.call('classify', {
      query: { model, top_k: 1 },
      form: [{ name: 'image', value: photo }],
      signal,
    });
    const [result] = results;
    const inferenceMs = result !== undefined && 'timings' in result ? result.timings.inference_ms : 0;
    return { ms: performance.now() - start, inferenceMs };
  };
  // An attempt that a busy server refuses is repeated.
  const ask = () => patiently(attempt, signal);
  for (let i = 0; i < WARM_UPS; i += 1) await ask();
  const alone = [];
  for (let i = 0; i < ALONE; i += 1) alone.push(await ask());

  const start = performance.now();
  let left = TOGETHER;
  const work = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await ask();
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return {
    aloneMs: median(alone.map(({ ms }) => ms)),
    inferenceMs: median(alone.map(({ inferenceMs }) => inferenceMs)),
    perSecond: TOGETHER / ((performance.now() - start) / 1_000),
  };
}

/** An image of coloured shapes, which takes about as long to decode as a photo. */
function testPhoto(): Promise<File> {
  const canvas = h('canvas', { width: WIDTH, height: HEIGHT });
  const context = canvas.getContext('2d');
  if (context) {
    for (let i = 0; i < 300; i += 1) {
      context.fillStyle = `hsl(${(i * 47) % 360} 60% ${30 + ((i * 13) % 50)}%)`;
      context.fillRect((i * 97) % WIDTH, (i * 61) % HEIGHT, 20 + ((i * 7) % 90), 15 + ((i * 11) % 70));
    }
  }
  return jpegOf(canvas, 'measure.jpg');
}
