import { describe, expect, it } from 'vitest';
import { parsePlainForm } from '../../src/http/plain-form.ts';

const LIMITS = { fileField: 'image', maxFiles: 2, maxFileBytes: 1000, maxFields: 2, maxFieldBytes: 20 };
const TYPE = 'multipart/form-data; boundary=--x';

/** A form as Node's `fetch` sends it. */
async function formOf(files: Readonly<Record<string, Uint8Array>>, fields: Readonly<Record<string, string>> = {}) {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  for (const [name, bytes] of Object.entries(files)) form.append('image', new Blob([new Uint8Array(bytes)]), name);
  const request = new Request('http://localhost', { method: 'POST', body: form });
  return { type: request.headers.get('content-type') ?? '', body: Buffer.from(await request.arrayBuffer()) };
}

const parsed = (text: string, type = TYPE) => parsePlainForm(type, Buffer.from(text, 'latin1'), LIMITS);
const part = (head: string, content: string) => `----x\r\n${head}\r\n\r\n${content}\r\n`;
const file = (content = 'abc') => part('Content-Disposition: form-data; name="image"; filename="a.jpg"', content);
const field = (name: string, content: string) => part(`Content-Disposition: form-data; name="${name}"`, content);
const END = '----x--\r\n';

describe('a plain form', () => {
  it('of Node has its files, byte for byte, and its fields', async () => {
    const bytes = Uint8Array.from({ length: 512 }, (_, index) => index);
    const { type, body } = await formOf({ 'a b.jpg': bytes, 'c.png': new Uint8Array() }, { top_k: '3' });
    expect(parsePlainForm(type, body, LIMITS)).toEqual({
      fields: { top_k: '3' },
      files: [
        { filename: 'a b.jpg', bytes: Buffer.from(bytes) },
        { filename: 'c.png', bytes: Buffer.alloc(0) },
      ],
    });
  });

  it('of curl has a quoted boundary or none, and a type', () => {
    const head = 'Content-Disposition: form-data; name="image"; filename="a.jpg"\r\nContent-Type: image/jpeg';
    for (const type of [TYPE, 'multipart/form-data; boundary="--x"']) {
      expect(parsed(part(head, 'abc') + END, type)?.files).toEqual([{ filename: 'a.jpg', bytes: Buffer.from('abc') }]);
    }
  });

  it('may have bytes in a file that look like the start of a boundary', () => {
    const content = '\r\n----\r\n--\r\n----X\r\n\r\n';
    expect(parsed(file(content) + END)?.files[0]?.bytes.toString()).toBe(content);
  });
});

describe('left to the parser of all forms', () => {
  it.each([
    ['a form that is cut', file().slice(0, -2)],
    ['a form without an end', file()],
    ['text before or after the parts', `hello\r\n${file()}${END}`, `${file()}${END}hello`],
    ['a file name that has to be decoded', part('Content-Disposition: form-data; name="image"; filename="Ã¤.jpg"', '')],
    ['a path as file name', part('Content-Disposition: form-data; name="image"; filename="a/b.jpg"', '') + END],
    ['a file without a name', part('Content-Disposition: form-data; name="image"; filename=""', '') + END],
    ['a file in another part', part('Content-Disposition: form-data; name="photo"; filename="a.jpg"', '') + END],
    ['an image as text', field('image', 'abc') + END],
    ['other headers', part('Content-Disposition: form-data; name="top_k"\r\nX-Other: 1', '3') + END],
    ['a repeated field', field('top_k', '3') + field('top_k', '4') + END],
    ['too many files', file() + file() + file() + END],
    ['a file that is too large', file('x'.repeat(1001)) + END],
    ['too many fields', field('a', '1') + field('b', '2') + field('c', '3') + END],
    ['a field that is too long', field('a', 'x'.repeat(21)) + END],
  ])('%s', (_, ...forms) => {
    for (const form of forms) expect(parsed(form)).toBeUndefined();
  });

  it('another type, or one with more parameters', () => {
    for (const type of ['multipart/form-data', 'multipart/mixed; boundary=--x', `${TYPE}; charset=utf-8`]) {
      expect(parsed(file() + END, type)).toBeUndefined();
    }
  });
});
