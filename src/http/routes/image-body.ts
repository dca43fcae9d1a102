import type { Request, Response } from 'express';
import { MulterError, type StorageEngine } from 'multer';
import type { UploadedImage } from '../../answering/image-pipeline.ts';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';
import { startsLikeImage } from '../../image/formats.ts';
import type { BodyParser } from '../../protocol/body-parser.ts';
import type { ByteBudget } from '../../serving/byte-budget.ts';
import { type BodyLimits, readBody, readPooledBody, unsupportedMediaType } from '../body.ts';
import { BufferPool, LARGEST_POOLED_BYTES, type LentBuffer } from '../buffer-pool.ts';
import { clientSignal } from '../client-gone.ts';
import { announcedLength } from '../content-encoding.ts';
import { GrowingBuffer } from '../growing-buffer.ts';
import { readForm } from '../multipart.ts';
import { parsePlainForm } from '../plain-form.ts';

/** The part that holds an image; it may be repeated. */
const IMAGE_FIELD = 'image';
/** File name in the answer for the image of a raw body. */
const RAW_FILENAME = 'image';
/** Twice as many fields as there are options, so that the error can name the unknown ones. */
const MAX_FIELDS = 12;
/** Bytes of a field's value: model names are the longest. */
const MAX_FIELD_BYTES = 256;

/** Types of bodies that are the bytes of an image. */
const IMAGE_TYPES = /^(?:$|image\/|application\/octet-stream\b)/i;
/** The type that `curl --data-binary` sends unless it is told another: the body is an image if it begins like one. */
const UNTOLD_TYPE = /^application\/x-www-form-urlencoded\b/i;

type ImageLimits = Pick<Config, 'maxImages' | 'maxImageBytes'>;

/** Options and images of a request. */
export interface ImageBody {
  /** Text fields of a form; those that were repeated are arrays. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** In the order of the request. */
  readonly images: readonly UploadedImage[];
}

/** Dependencies of routes that take images. */
export interface ImageBodyDependencies {
  readonly config: Pick<Config, 'maxBodyBytes' | 'maxImageBytes' | 'maxImages' | 'requestTimeoutMs' | 'stallTimeoutMs'>;
  readonly bodyBudget: ByteBudget;
  readonly parser: Pick<BodyParser, 'parse'>;
}

/**
 * Creates a function that reads bodies: a form with at least one image, JSON with images as base64, or the bytes of one
 * image. A body without a type is the bytes of an image; the format is seen from them.
 * @throws AppError `unsupported_media_type`, `no_image`, `too_many_images`, `body_too_large`, `invalid_request` for
 * other faults of a form, `malformed_multipart`, `request_timeout`, `queue_full`; ClientGone
 */
export function createImageReader({
  config,
  bodyBudget,
  parser,
}: ImageBodyDependencies): (request: Request, response: Response) => Promise<ImageBody> {
  const { maxBodyBytes, maxImageBytes, requestTimeoutMs: timeoutMs, stallTimeoutMs } = config;
  const limits = { maxBytes: maxBodyBytes, timeoutMs, stallTimeoutMs, budget: bodyBudget };
  const pool = new BufferPool();
  return async (request, response) => {
    const type = request.headers['content-type'] ?? '';
    if (/^multipart\/form-data\b/i.test(type)) {
      const form = await readImageForm(request, response, config, { ...limits, pool });
      if (form.images.length > 0) return form;
      if (IMAGE_FIELD in form.fields) throw imageWithoutName();
      throw new AppError(
        'no_image',
        `The form needs at least one file in the part "${IMAGE_FIELD}", with a file name, as "curl -F ` +
          `${IMAGE_FIELD}=@photo.jpg" sends it.`,
      );
    }
    if (/^application\/json\b/i.test(type)) {
      return parser.parse('images', await readBody(request, limits), clientSignal(response));
    }
    const refusal = unsupportedMediaType(
      request,
      `a multipart/form-data form with the image in the part "${IMAGE_FIELD}", the bytes of an image with their type, ` +
        'such as "Content-Type: image/jpeg", or JSON such as {"images": [{"b64": "..."}]}',
    );
    if (!IMAGE_TYPES.test(type) && !UNTOLD_TYPE.test(type)) throw refusal;
    const maxBytes = Math.min(maxImageBytes, maxBodyBytes);
    const body = await readPooledBody(request, pool, { ...limits, maxBytes });
    const image = { filename: RAW_FILENAME, ...body };
    if (IMAGE_TYPES.test(type)) {
      if (body.bytes.length > 0) return { fields: {}, images: [image] };
      throw new AppError('no_image', 'The body is empty; send the bytes of an image.');
    }
    if (startsLikeImage(body.bytes)) return { fields: {}, images: [image] };
    body.release();
    throw refusal;
  };
}

/** Storage of multer in memory. */
function memoryStorage(maxFileBytes: number): StorageEngine {
  return {
    _handleFile: (_request, { stream }, done) => {
      const file = new GrowingBuffer(maxFileBytes);
      stream.on('data', (chunk: Buffer) => file.append(chunk));
      stream.once('end', () => done(null, { buffer: file.bytes() }));
    },
    _removeFile: (_request, _file, done) => done(null),
  };
}

async function readImageForm(
  request: Request,
  response: Response,
  config: ImageLimits,
  { pool, ...body }: BodyLimits & { readonly pool: BufferPool },
): Promise<ImageBody> {
  const limits = {
    fileField: IMAGE_FIELD,
    maxFiles: config.maxImages,
    maxFileBytes: config.maxImageBytes,
    maxFields: MAX_FIELDS,
    maxFieldBytes: MAX_FIELD_BYTES,
  };
  let arrived: Buffer | undefined;
  if ((announcedLength(request) ?? Number.POSITIVE_INFINITY) <= LARGEST_POOLED_BYTES) {
    const lent = await readPooledBody(request, pool, body);
    arrived = lent.bytes;
    const form = parsePlainForm(request.headers['content-type'] ?? '', arrived, limits);
    if (form !== undefined) return { fields: form.fields, images: sharing(lent, form.files) };
  }
  try {
    const storage = memoryStorage(config.maxImageBytes);
    const { fields, files } = await readForm(request, response, { ...limits, storage, body }, arrived);
    return { fields, images: files.map(({ originalname, buffer }) => ({ filename: originalname, bytes: buffer })) };
  } catch (thrown) {
    throw thrown instanceof MulterError ? limitError(thrown, config) : thrown;
  }
}

/** Images in the memory of one body, which is given back when none of them needs it any more. */
function sharing(
  { release }: LentBuffer,
  files: readonly { readonly filename: string; readonly bytes: Buffer }[],
): UploadedImage[] {
  const needed = new Set(files);
  return files.map((file) => ({
    ...file,
    release: () => {
      if (needed.delete(file) && needed.size === 0) release();
    },
  }));
}

/** Parsers of forms take a part without a file name for text. */
function imageWithoutName(): AppError {
  return new AppError(
    'no_image',
    `The part "${IMAGE_FIELD}" has no file name, so it is text: send it as a file, with a line such as ` +
      `Content-Disposition: form-data; name="${IMAGE_FIELD}"; filename="photo.jpg".`,
    { context: { field: IMAGE_FIELD } },
  );
}

function limitError({ code, message, field }: MulterError, { maxImages, maxImageBytes }: ImageLimits): AppError {
  const ofField = (detail: string) => new AppError('invalid_request', detail, { context: { field: field ?? null } });
  switch (code) {
    case 'LIMIT_FILE_SIZE':
      return new AppError('body_too_large', `An image has more than ${maxImageBytes} bytes, the limit of one image.`, {
        context: { max_bytes: maxImageBytes },
      });
    case 'LIMIT_FILE_COUNT':
      return new AppError(
        'too_many_images',
        `There are more than ${maxImages} images; send them in several requests.`,
        {
          context: { max_images: maxImages },
        },
      );
    case 'LIMIT_FIELD_COUNT':
      return ofField(`There are more than ${MAX_FIELDS} fields beside the images.`);
    case 'LIMIT_FIELD_VALUE':
      if (field === IMAGE_FIELD) return imageWithoutName();
      return ofField(
        `The field "${field}" is longer than ${MAX_FIELD_BYTES} bytes; an image goes into the part "${IMAGE_FIELD}", ` +
          'with a file name.',
      );
    default:
      return ofField(`${message}${field === undefined ? '' : `: "${field}"`}.`);
  }
}
