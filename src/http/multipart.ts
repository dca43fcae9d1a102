import type { Request, Response } from 'express';
import multer, { MulterError } from 'multer';
import type { UploadedImage } from '../answering/image-classification.ts';
import { AppError, messageOf } from '../common/errors.ts';
import { checkLength, watchBody } from './body.ts';
import type { HttpLimits } from './dependencies.ts';
import { ClientGone } from './problem.ts';

/** The part that holds an image; it may come many times. */
export const IMAGE_FIELD = 'image';

/** Fields beside the images that a body may hold: twice as many as there are, for the message to name the wrong ones. */
const MAX_FIELDS = 8;
/** Bytes of a field's value: model names are the longest. */
const MAX_FIELD_BYTES = 256;

/** A form as it came: text fields, some perhaps repeated, and image files in their order. */
export interface Form {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly images: readonly UploadedImage[];
}

/** Reads forms into memory, within limits. */
export function createFormReader(limits: HttpLimits): (request: Request, response: Response) => Promise<Form> {
  const { maxBodyBytes, maxImageBytes, maxImages, requestTimeoutMs } = limits;
  const parse = multer({
    storage: multer.memoryStorage(),
    // Browsers and curl send file names in UTF-8; busboy's own default is latin1.
    defParamCharset: 'utf8',
    limits: {
      fileSize: maxImageBytes,
      files: maxImages,
      fields: MAX_FIELDS,
      fieldSize: MAX_FIELD_BYTES,
      fieldNameSize: MAX_FIELD_BYTES,
      fieldNestingDepth: 0,
      headerPairs: 32,
    },
    fileFilter: (_request, { fieldname }, accept) => {
      if (fieldname === IMAGE_FIELD) accept(null, true);
      else accept(wrongField(fieldname));
    },
  }).any();

  return (request, response) => {
    checkLength(request, maxBodyBytes);
    return new Promise((resolve, reject) => {
      const stop = watchBody(request, { maxBytes: maxBodyBytes, timeoutMs: requestTimeoutMs }, (error) => {
        // The parser gets no more of the body and is forgotten.
        request.unpipe();
        reject(error);
      });
      void parse(request, response, (thrown: unknown) => {
        stop();
        if (thrown === undefined || thrown === null) resolve(formOf(request));
        else reject(formError(thrown, limits));
      });
    });
  };
}

function formOf(request: Request): Form {
  const files = Array.isArray(request.files) ? request.files : [];
  return {
    fields: request.body as Readonly<Record<string, unknown>>,
    images: files.map(({ originalname, buffer }) => ({ filename: originalname, bytes: buffer })),
  };
}

function wrongField(field: string): AppError {
  return new AppError('invalid_request', `The file is in the part "${field}"; put it into "${IMAGE_FIELD}".`, {
    context: { field },
  });
}

/** The error of a form that broke off or is none; what is an error for the client already stays. */
export function unreadableForm(thrown: unknown): Error {
  if (thrown instanceof AppError || thrown instanceof ClientGone) return thrown;
  // multer's words for a connection that broke; all else is busboy's, of a body that is no form.
  if (/^Request (aborted|closed)$/.test(messageOf(thrown))) return new ClientGone();
  return new AppError('malformed_multipart', `The body is no multipart form (${messageOf(thrown)}).`, {
    cause: thrown,
  });
}

function formError(thrown: unknown, { maxImages, maxImageBytes }: HttpLimits): Error {
  if (!(thrown instanceof MulterError)) return unreadableForm(thrown);
  switch (thrown.code) {
    case 'LIMIT_FILE_SIZE':
      return new AppError('body_too_large', `An image has more than ${maxImageBytes} bytes, the most that are taken.`, {
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
    default:
      return new AppError('invalid_request', formFault(thrown), { context: { field: thrown.field ?? null } });
  }
}

function formFault({ code, message, field }: MulterError): string {
  if (code === 'LIMIT_FIELD_COUNT') return `There are more than ${MAX_FIELDS} fields beside the images.`;
  if (code === 'LIMIT_FIELD_VALUE') return `The field "${field}" is longer than ${MAX_FIELD_BYTES} bytes.`;
  return `${message}${field === undefined ? '' : `: "${field}"`}.`;
}
