import type { Socket } from 'node:net';

/** How a photo is sent: as a form, which every server takes, or as it is. */
export type BodyKind = 'form' | 'raw';

const HEADER_END = Buffer.from('\r\n\r\n');
const BOUNDARY = 'menagerie-benchmark';

/** Calls back with the head and the body of each response. Supports only responses with `Content-Length`. */
export function onResponses(socket: Socket, callback: (head: string, body: Buffer) => void): void {
  let pending = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
    const end = pending.indexOf(HEADER_END);
    if (end < 0) return;
    const head = pending.toString('latin1', 0, end);
    const length = Number(/content-length: *(\d+)/i.exec(head)?.[1]);
    if (Number.isNaN(length)) throw new Error(`the response has no Content-Length: ${head}`);
    const bodyStart = end + HEADER_END.length;
    if (pending.length < bodyStart + length) return;
    const body = pending.subarray(bodyStart, bodyStart + length);
    pending = Buffer.alloc(0);
    callback(head, body);
  });
}

/** The whole request for a photo. */
export function requestOf(photo: Buffer, { path, body }: { readonly path: string; readonly body: BodyKind }): Buffer {
  const form = body === 'form';
  const before = form
    ? `--${BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="photo.jpg"\r\nContent-Type: image/jpeg\r\n\r\n`
    : '';
  const after = form ? `\r\n--${BOUNDARY}--\r\n` : '';
  const type = form ? `multipart/form-data; boundary=${BOUNDARY}` : 'image/jpeg';
  const length = before.length + photo.length + after.length;
  const head = `POST ${path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head + before), photo, Buffer.from(after)]);
}
