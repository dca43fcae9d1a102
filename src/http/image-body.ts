import type { Request, Response } from 'express';
import { AppError } from '../common/errors.ts';
import { readPooledBody } from './body.ts';
import { BufferPool } from './buffer-pool.ts';
import type { HttpLimits } from './dependencies.ts';
import { createFormReader, type Form, IMAGE_FIELD } from './multipart.ts';

/** The name under which the one image of a raw body is answered. */
const RAW_FILENAME = 'image';

/**
 * Reads bodies that are a form with at least one image, or the bytes of one image under their own type.
 * @throws AppError `unsupported_media_type`, `no_image`, and those of forms and bodies that are wrong, too large or slow
 */
export function createImageReceiver(limits: HttpLimits): (request: Request, response: Response) => Promise<Form> {
  const readForm = createFormReader(limits);
  const pool = new BufferPool();
  return async (request, response) => {
    const type = request.headers['content-type'] ?? '';
    const encoding = request.headers['content-encoding'] ?? 'identity';
    if (encoding !== 'identity') {
      throw new AppError('unsupported_media_type', `The body is encoded as ${encoding}; send it as it is.`);
    }
    if (/^multipart\/form-data\b/i.test(type)) {
      const form = await readForm(request, response);
      if (form.images.length > 0) return form;
      const hint = IMAGE_FIELD in form.fields ? ', but as text: send it as a file, with a file name' : '';
      throw new AppError('no_image', `The form needs at least one file in the part "${IMAGE_FIELD}"${hint}.`);
    }
    if (/^(image\/|application\/octet-stream\b)/i.test(type)) {
      const body = await readPooledBody(request, pool, limits.maxImageBytes, limits.requestTimeoutMs);
      if (body.bytes.length > 0) return { fields: {}, images: [{ filename: RAW_FILENAME, ...body }] };
      throw new AppError('no_image', 'The body is empty; send the bytes of an image.');
    }
    throw new AppError(
      'unsupported_media_type',
      `The body is ${type === '' ? 'of no named type' : `"${type}"`}; send a multipart/form-data form with the image in ` +
        `the part "${IMAGE_FIELD}", or the bytes of an image with their type, such as "Content-Type: image/jpeg".`,
    );
  };
}
