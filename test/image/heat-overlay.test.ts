import sharp from 'sharp';
import { describe, expect, it } from 'vitest';
import { drawHeat, type HeatLayer } from '../../src/image/heat-overlay.ts';
import { picture } from './pictures.ts';

const MAX_PIXELS = 50_000_000;
const GREY = [90, 90, 90] as const;
const plain = (width: number, height: number) => picture(width, height, () => GREY);

/** Hot in the upper right quarter of the middle square. */
const layer = (width: number, height: number, opacity = 1): HeatLayer => {
  const side = Math.min(width, height);
  return {
    heatmap: { height: 2, width: 2, values: Float32Array.of(0, 1, 0, 0) },
    crop: { left: (width - side) / 2, top: (height - side) / 2, width: side, height: side },
    opacity,
  };
};

async function draw(photo: Uint8Array, how: HeatLayer) {
  const png = await drawHeat(photo, how, MAX_PIXELS);
  const { data, info } = await sharp(png).raw().toBuffer({ resolveWithObject: true });
  const at = (x: number, y: number) => [...data.subarray((y * info.width + x) * 3, (y * info.width + x) * 3 + 3)];
  return { png, width: info.width, height: info.height, at };
}

describe('heat over a photo', () => {
  it('is a PNG of the photo, coloured where it is hot', async () => {
    const { png, width, height, at } = await draw(await plain(90, 60).png().toBuffer(), layer(90, 60));
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    expect([width, height]).toEqual([90, 60]);
    const [red = 0, green = 0, blue = 0] = at(66, 8);
    expect(red).toBeGreaterThan(200);
    expect(green).toBeGreaterThan(200);
    expect(blue).toBeLessThan(150);
    expect(at(20, 50)).toEqual([...GREY]);
  });

  it('does not change what the model has not seen', async () => {
    const { at } = await draw(await plain(90, 60).png().toBuffer(), layer(90, 60));
    expect(at(78, 5)).toEqual([...GREY]);
    expect(at(10, 5)).toEqual([...GREY]);
  });

  it('leaves out what lies beyond the photo, where the model pads', async () => {
    const padded = { ...layer(90, 30), crop: { left: 0, top: -30, width: 90, height: 90 } };
    const { width, height, at } = await draw(await plain(90, 30).png().toBuffer(), padded);
    expect([width, height]).toEqual([90, 30]);
    // The hot quarter ends at the middle of the photo; most of it lies in the padding.
    expect(at(66, 1)[0]).toBeGreaterThan(200);
    expect(at(66, 29)[0]).toBeLessThan(at(66, 1)[0] ?? 0);
    expect(at(5, 28)).toEqual([...GREY]);
  });

  it('shows more of the photo at a lower opacity', async () => {
    const photo = await plain(60, 60).png().toBuffer();
    const reds = [];
    for (const opacity of [0, 0.3, 1]) reds.push((await draw(photo, layer(60, 60, opacity))).at(52, 8)[0]);
    expect(reds[0]).toBe(90);
    expect(reds).toEqual([...reds].sort((a = 0, b = 0) => a - b));
  });

  it('colours grey photos, and draws rotated ones upright', async () => {
    const grey = await plain(60, 90).greyscale().withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const { width, height, at } = await draw(grey, layer(90, 60));
    expect([width, height]).toEqual([90, 60]);
    expect(at(66, 8)[0]).toBeGreaterThan(at(66, 8)[2] ?? 0);
  });

  it('reduces large photos to the size of a screen', async () => {
    const { width, height, at } = await draw(await plain(3000, 2000).jpeg().toBuffer(), layer(3000, 2000));
    expect([width, height]).toEqual([1024, 683]);
    expect(at(750, 90)[0]).toBeGreaterThan(200);
  });

  it('works for photos of one or two pixels', async () => {
    const { width, height } = await draw(await plain(2, 1).png().toBuffer(), layer(2, 1));
    expect([width, height]).toEqual([2, 1]);
  });

  it('is refused for a file that is not an image', async () => {
    await expect(draw(Buffer.from('no image'), layer(2, 1))).rejects.toMatchObject({ code: 'unsupported_image' });
  });
});
