import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import multer, { MulterError, type StorageEngine } from 'multer';
import { AppError, type ErrorCode } from '../common/errors.ts';
import { checkLength, watchBody } from './body.ts';
import { bodyLimits } from './body-limits.ts';
import type { HttpLimits } from './dependencies.ts';
import { unreadableForm } from './multipart.ts';

/** The part that holds the zip. */
export const DATASET_FIELD = 'dataset';

/** Twice as many as there are options. */
const MAX_FIELDS = 64;
/** Bytes of a field's name or value: `augmentation` as JSON is the longest. */
const MAX_FIELD_BYTES = 4096;

/** A form that has arrived: its text fields, some perhaps repeated, and where its file lies, if it has one. */
export interface Upload {
  readonly fields: Readonly<Record<string, unknown>>;
  readonly path: string | undefined;
}

/** Seconds after which a client may try again when too many others are sending: data sets take their time. */
const RETRY_AFTER_S = 30;

/** Takes forms with a file, so many at once, into a folder for uploads alone. */
export class UploadReceiver {
  readonly #folder: string;
  readonly #limits: HttpLimits;
  #underWay = 0;

  constructor(folder: string, limits: HttpLimits) {
    this.#folder = folder;
    this.#limits = limits;
  }

  /**
   * Streams the file of a form to the disk and hands it over. What `use` has not moved away by its end is removed, as it
   * is when the form never arrives whole.
   * @throws AppError of forms that are wrong, too large, too slow or too many; ClientGone; whatever `use` throws
   */
  async receive<T>(request: Request, response: Response, use: (upload: Upload) => Promise<T>): Promise<T> {
    const { maxUploads } = this.#limits;
    if (this.#underWay >= maxUploads) {
      throw new AppError('queue_full', `${maxUploads} data sets are arriving, and no more are taken: try again later`, {
        retryAfter: RETRY_AFTER_S,
        context: { limit: maxUploads },
      });
    }
    this.#underWay += 1;
    const file = new UploadedFile(join(this.#folder, `${randomUUID()}.zip`));
    try {
      const fields = await readForm(request, response, file, this.#limits);
      return await use({ fields, path: file.written ? file.path : undefined });
    } finally {
      await file.remove();
      this.#underWay -= 1;
    }
  }
}

/** The file of one form, as multer stores it. */
class UploadedFile implements StorageEngine {
  readonly path: string;
  readonly #stop = new AbortController();
  #writing: Promise<void> | undefined;
  written = false;

  constructor(path: string) {
    this.path = path;
  }

  _handleFile(_request: Request, file: Express.Multer.File, done: (error?: unknown) => void): void {
    this.#writing = pipeline(file.stream, createWriteStream(this.path, { flags: 'wx' }), { signal: this.#stop.signal });
    this.#writing.then(
      () => {
        this.written = true;
        done();
      },
      (thrown: unknown) => done(thrown),
    );
  }

  /** Nothing to do: the file goes with its request. */
  _removeFile(_request: Request, _file: Express.Multer.File, done: (error: Error | null) => void): void {
    done(null);
  }

  /** Ends the writing, if it still goes on, and removes what is there. */
  async remove(): Promise<void> {
    this.#stop.abort();
    await this.#writing?.catch(() => undefined);
    await rm(this.path, { force: true });
  }
}

async function readForm(
  request: Request,
  response: Response,
  file: UploadedFile,
  limits: HttpLimits,
): Promise<Upload['fields']> {
  const { maxBytes, timeoutMs } = bodyLimits(request.url, limits);
  try {
    checkLength(request, maxBytes);
  } catch (thrown) {
    throw uploadError(thrown, limits);
  }
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      stop();
      // The parser gets no more of the body and is forgotten.
      request.unpipe();
      reject(uploadError(error, limits));
    };
    const stop = watchBody(request, { maxBytes, timeoutMs }, fail);
    const parse = multer({
      storage: file,
      defParamCharset: 'utf8',
      limits: {
        fileSize: limits.maxArchiveBytes,
        files: 1,
        fields: MAX_FIELDS,
        fieldSize: MAX_FIELD_BYTES,
        fieldNameSize: MAX_FIELD_BYTES,
        fieldNestingDepth: 0,
        headerPairs: 32,
      },
      fileFilter: (_request, { fieldname }, accept) => {
        if (fieldname === DATASET_FIELD) accept(null, true);
        // At once: the parser would read the whole body first.
        else fail(wrongField(fieldname));
      },
    }).any();
    void parse(request, response, (thrown: unknown) => {
      if (thrown !== undefined && thrown !== null) fail(thrown);
      else {
        stop();
        resolve(request.body as Upload['fields']);
      }
    });
  });
}

/** What the client is told of whatever kept its form from arriving. */
function uploadError(thrown: unknown, { maxArchiveBytes }: HttpLimits): Error {
  const tooLarge =
    thrown instanceof MulterError ? thrown.code === 'LIMIT_FILE_SIZE' : isAppError(thrown, 'body_too_large');
  if (tooLarge) {
    return new AppError(
      'archive_too_large',
      `The zip has more than ${maxArchiveBytes} bytes, the most that are taken; send fewer or smaller images.`,
      { context: { limit: 'max_archive_bytes', maximum: maxArchiveBytes } },
    );
  }
  if (thrown instanceof MulterError) {
    const where = thrown.field === undefined ? '' : `: "${thrown.field}"`;
    return new AppError(
      'invalid_request',
      `${thrown.message}${where}. A form holds one file, "${DATASET_FIELD}", and at most ${MAX_FIELDS} options of ` +
        `${MAX_FIELD_BYTES} bytes.`,
      { context: { field: thrown.field ?? null } },
    );
  }
  // The disk is full or gone: no fault of the form.
  if (thrown instanceof Error && 'syscall' in thrown) return thrown;
  return unreadableForm(thrown);
}

function isAppError(thrown: unknown, code: ErrorCode): boolean {
  return thrown instanceof AppError && thrown.code === code;
}

function wrongField(field: string): AppError {
  return new AppError('invalid_request', `The file is in the part "${field}"; put it into "${DATASET_FIELD}".`, {
    context: { field },
  });
}
