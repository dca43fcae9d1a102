import { readFileSync } from 'node:fs';

/** A property of an item, as a box. */
type Property = Buffer;

/** An item of a HEIF file. */
interface HeifItem {
  readonly type: string;
  readonly data: Buffer;
  readonly properties?: readonly Property[];
  /** Items that this one is made of (`dimg`), or describes (`cdsc`). */
  readonly refersTo?: { readonly type: 'dimg' | 'cdsc' | 'auxl'; readonly items: readonly number[] };
}

const CASES = new URL('../cases/heic/', import.meta.url);

/** A file of `test/cases/heic`. */
export function heicCase(name: string): Buffer {
  return readFileSync(new URL(name, CASES));
}

/**
 * Writes a HEIF file (ISO/IEC 14496-12 and 23008-12) of these items, whose numbers begin with 1. It believes whatever
 * it is told: with sizes and references that lie, files are made to break decoders.
 */
export function heif(items: readonly HeifItem[], primary: number): Buffer {
  const properties = items.flatMap((item) => item.properties ?? []);
  let property = 0;
  const associations = items.map((item, index) => {
    const own = (item.properties ?? []).map(() => {
      property += 1;
      return 0x80 | property;
    });
    return Buffer.concat([u16(index + 1), Buffer.from([own.length, ...own])]);
  });
  const references = items.flatMap(({ refersTo }, index) =>
    refersTo === undefined
      ? []
      : box(refersTo.type, u16(index + 1), u16(refersTo.items.length), ...refersTo.items.map(u16)),
  );
  const meta = (dataAt: number): Buffer => {
    let at = dataAt;
    const locations = items.map(({ data }, index) => {
      const location = Buffer.concat([u16(index + 1), u16(0), u16(1), u32(at), u32(data.length)]);
      at += data.length;
      return location;
    });
    const infos = items.map(({ type }, index) =>
      fullBox('infe', 2, u16(index + 1), u16(0), Buffer.from(`${type}\0`, 'latin1')),
    );
    return fullBox(
      'meta',
      0,
      fullBox('hdlr', 0, u32(0), Buffer.from('pict'), Buffer.alloc(13)),
      fullBox('pitm', 0, u16(primary)),
      fullBox('iloc', 0, Buffer.from([0x44, 0]), u16(items.length), ...locations),
      fullBox('iinf', 0, u16(items.length), ...infos),
      ...(references.length > 0 ? [fullBox('iref', 0, ...references)] : []),
      box('iprp', box('ipco', ...properties), fullBox('ipma', 0, u32(items.length), ...associations)),
    );
  };
  const start = box('ftyp', Buffer.from('heic'), u32(0), Buffer.from('mif1heic'));
  const dataAt = start.length + meta(0).length + 8;
  return Buffer.concat([start, meta(dataAt), box('mdat', ...items.map(({ data }) => data))]);
}

/** The coded picture of `plain.heic`, 64 x 64 pixels, which may claim another size. */
export function codedTile(width = 64, height = 64, ...more: readonly Property[]): HeifItem {
  const file = heicCase('plain.heic');
  const boxAt = (type: string): Buffer => {
    const at = file.indexOf(type, 0, 'latin1') - 4;
    return file.subarray(at, at + file.readUInt32BE(at));
  };
  return { type: 'hvc1', data: boxAt('mdat').subarray(8), properties: [boxAt('hvcC'), size(width, height), ...more] };
}

/** An image that is put together of tiles, which are items of their own. */
export function grid(
  [rows, columns]: readonly [number, number],
  [width, height]: readonly [number, number],
  tiles: readonly number[],
  ...more: readonly Property[]
): HeifItem {
  const data = Buffer.concat([Buffer.from([0, 1, rows - 1, columns - 1]), u32(width), u32(height)]);
  const properties = [size(width, height), ...more];
  return { type: 'grid', data, properties, refersTo: { type: 'dimg', items: tiles } };
}

/** EXIF that says how the camera was held. */
export function exifItem(orientation: number, image: number): HeifItem {
  const tiff = Buffer.from('4d4d002a00000008000101120003000000010000000000000000', 'hex');
  tiff.writeUInt16BE(orientation, 18);
  return { type: 'Exif', data: Buffer.concat([u32(0), tiff]), refersTo: { type: 'cdsc', items: [image] } };
}

/** Turns an image to the left, by so many quarters of a circle. */
export function rotation(quarters: number): Property {
  return box('irot', Buffer.from([quarters]));
}

/** A colour profile. */
export function colourProfile(icc: Buffer): Property {
  return box('colr', Buffer.from('prof'), icc);
}

/** Mirrors an image: left and right change places, or top and bottom. */
export function mirror(sides: 'left and right' | 'top and bottom'): Property {
  return box('imir', Buffer.from([sides === 'left and right' ? 1 : 0]));
}

function size(width: number, height: number): Property {
  return fullBox('ispe', 0, u32(width), u32(height));
}

function box(type: string, ...content: readonly Buffer[]): Buffer {
  const body = Buffer.concat(content);
  return Buffer.concat([u32(body.length + 8), Buffer.from(type, 'latin1'), body]);
}

function fullBox(type: string, version: number, ...content: readonly Buffer[]): Buffer {
  return box(type, Buffer.from([version, 0, 0, 0]), ...content);
}

function u16(value: number): Buffer {
  return Buffer.from([value >> 8, value & 255]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
