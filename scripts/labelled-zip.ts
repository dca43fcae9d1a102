import { buffer } from 'node:stream/consumers';
import sharp from 'sharp';
import { ZipFile } from 'yazl';

/** Classes of the zip and the colour of their pictures. */
const COLOURS = { red: [210, 40, 40], green: [40, 180, 60], blue: [50, 70, 210] } as const;

/** A PNG of a coloured square on grey; `index` decides its place and size. */
export function colouredPicture(colour: keyof typeof COLOURS, index: number): Promise<Buffer> {
  const [r, g, b] = COLOURS[colour];
  const size = 30 + (index % 5) * 4;
  const shape = sharp({ create: { width: size, height: size, channels: 3, background: { r, g, b } } }).png();
  const grey = 100 + ((index * 13) % 60);
  const background = { r: grey, g: grey, b: grey };
  return shape.toBuffer().then((input) =>
    sharp({ create: { width: 64, height: 64, channels: 3, background } })
      .composite([{ input, left: (index * 7) % (64 - size), top: (index * 5) % (64 - size) }])
      .png()
      .toBuffer(),
  );
}

/** A zip of pictures of three colours, in a folder for each. */
export async function colourZip(imagesPerClass = 12): Promise<Buffer> {
  const zip = new ZipFile();
  for (const colour of Object.keys(COLOURS) as (keyof typeof COLOURS)[]) {
    for (let index = 0; index < imagesPerClass; index++) {
      zip.addBuffer(await colouredPicture(colour, index), `colours/${colour}/${index}.png`);
    }
  }
  zip.end();
  return await buffer(zip.outputStream);
}
