import type { Writable } from 'node:stream';
import type { Request, Response } from 'express';
import multer, { MulterError, type StorageEngine } from 'multer';
import { AppError, messageOf } from '../common/errors.ts';
import { type BodyLimits, watchBody } from './body.ts';
import { ClientGone } from './client-gone.ts';

/** Pairs of headers in one part. */
const MAX_PART_HEADERS = 32;

/** What a form may contain, and where its files go. */
export interface FormOptions {
  readonly storage: StorageEngine;
  /** Name of the part that holds files. */
  readonly fileField: string;
  readonly maxFiles: number;
  readonly maxFileBytes: number;
  /** Text fields beside the files. */
  readonly maxFields: number;
  /** Bytes of a field's name or value. */
  readonly maxFieldBytes: number;
  readonly body: BodyLimits;
}

/** The option of multer that says what is parsed in place of the request; its types lack it. */
interface FormSource {
  readonly streamHandler: (request: Request, parser: Writable) => void;
}

/** A form that has arrived. Fields that were repeated are arrays. */
export interface ReceivedForm {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly files: readonly Express.Multer.File[];
}

/**
 * Reads a multipart form.
 * @param arrived the body, if it has been read; else it is read here
 * @throws MulterError when a limit is exceeded; AppError `invalid_request` for a file in another part,
 * `malformed_multipart`, and those of `watchBody`; ClientGone; errors of the storage
 */
export function readForm(
  request: Request,
  response: Response,
  options: FormOptions,
  arrived?: Buffer,
): Promise<ReceivedForm> {
  const { storage, fileField, maxFiles, maxFileBytes, maxFields, maxFieldBytes } = options;
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      stop();
      // The parser gets no more of the body.
      body?.unpipe();
      reject(asFormError(error));
    };
    const { body, stop = () => undefined } = arrived === undefined ? watchBody(request, options.body, fail) : {};
    const parserOptions: multer.Options & FormSource = {
      storage,
      streamHandler: (_request, parser) => void (body === undefined ? parser.end(arrived) : body.pipe(parser)),
      // Browsers and curl send file names in UTF-8; the parser's default is latin1.
      defParamCharset: 'utf8',
      limits: {
        fileSize: maxFileBytes,
        files: maxFiles,
        fields: maxFields,
        fieldSize: maxFieldBytes,
        fieldNameSize: maxFieldBytes,
        fieldNestingDepth: 0,
        headerPairs: MAX_PART_HEADERS,
      },
      fileFilter: (_request, { fieldname }, accept) => {
        if (fieldname === fileField) accept(null, true);
        // Passed on to `accept`, the error would be answered after the whole body had been read.
        else fail(wrongFileField(fieldname, fileField));
      },
    };
    const parse = multer(parserOptions).any();
    void parse(request, response, (thrown: unknown) => {
      if (thrown !== undefined && thrown !== null) return fail(thrown);
      stop();
      const { body: fields, files } = request;
      resolve({ fields: fields as ReceivedForm['fields'], files: Array.isArray(files) ? files : [] });
    });
  });
}

function wrongFileField(given: string, expected: string): AppError {
  return new AppError('invalid_request', `The file is in the part "${given}"; put it into "${expected}".`, {
    context: { field: given },
  });
}

function asFormError(thrown: unknown): unknown {
  if (thrown instanceof AppError || thrown instanceof ClientGone || thrown instanceof MulterError) return thrown;
  // A full or missing disk is no fault of the form.
  if (thrown instanceof Error && 'syscall' in thrown) return thrown;
  // Messages of multer for a connection that closed; other messages are of the parser, about the body.
  if (/^Request (aborted|closed)$/.test(messageOf(thrown))) return new ClientGone();
  return new AppError('malformed_multipart', `The body is not a valid multipart form (${messageOf(thrown)}).`, {
    cause: thrown,
  });
}
