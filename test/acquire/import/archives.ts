import { gzipSync } from 'node:zlib';

/**
 * Makes a tar of contents by name. An entry that is not a file has the letter of its type before a colon: `2:link`.
 */
export function tarOf(entries: Readonly<Record<string, Uint8Array | string>>): Buffer {
  const blocks = Object.entries(entries).flatMap(([key, content]) => {
    const [, type = '0', name = key] = /^([0-9a-zA-Z]):(.*)$/.exec(key) ?? [];
    const bytes = Buffer.from(content);
    return [header(name, type, bytes.length), bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1024)]);
}

export function tgzOf(entries: Readonly<Record<string, Uint8Array | string>>): Buffer {
  return gzipSync(tarOf(entries));
}

/** A gzipped tar whose only file is said to have so many bytes, and has none. */
export function tgzDeclaring(size: number): Buffer {
  return gzipSync(header('model.json', '0', size));
}

function header(name: string, type: string, size: number): Buffer {
  const block = Buffer.alloc(512);
  block.write(name, 0, 100);
  block.write('0000644\0', 100);
  block.write(`${size.toString(8).padStart(11, '0')}\0`, 124);
  block.write(' '.repeat(8), 148);
  block.write(type, 156);
  block.write('ustar\x0000', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
