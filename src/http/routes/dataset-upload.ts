import { randomUUID } from 'node:crypto';
import { createWriteStream, type WriteStream } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { Request, Response } from 'express';
import { MulterError, type StorageEngine } from 'multer';
import { makeFolder } from '../../common/durable-files.ts';
import { AppError } from '../../common/errors.ts';
import type { Config } from '../../config.ts';
import type { UploadOutcome } from '../../metrics/job-metrics.ts';
import type { Metrics } from '../../metrics/metrics.ts';
import { ClientGone } from '../client-gone.ts';
import { readForm } from '../multipart.ts';

/** The part that holds the zip. */
export const DATASET_FIELD = 'dataset';

/** Twice as many fields as there are options, so that the error can name the unknown ones. */
const MAX_FIELDS = 64;
/** Bytes of a field's name or value: `augmentation` as JSON is the longest. */
const MAX_FIELD_BYTES = 4096;
/** Bytes of a form beside its file: boundaries, headers of parts, options. */
const FORM_OVERHEAD_BYTES = 1024 * 1024;
/** Seconds after which a client may try again when too many data sets are arriving. */
const RETRY_AFTER_S = 30;

/** A form with a data set that has arrived. */
export interface DatasetUpload {
  /** Text fields; those that were repeated are arrays. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** Where the zip lies; undefined when the form has no file. */
  readonly path: string | undefined;
}

/** The settings that limit uploads. */
export type UploadLimits = Pick<Config, 'maxArchiveBytes' | 'maxUploads' | 'uploadTimeoutMs' | 'stallTimeoutMs'>;

/** Receives forms with a data set into a folder. */
export class DatasetReceiver {
  readonly #folder: string;
  readonly #limits: UploadLimits;
  readonly #metrics: Pick<Metrics, 'startUpload'>;
  #arriving = 0;

  constructor(folder: string, limits: UploadLimits, metrics: Pick<Metrics, 'startUpload'>) {
    this.#folder = folder;
    this.#limits = limits;
    this.#metrics = metrics;
  }

  /**
   * Streams the zip of a form to the disk and passes it to `use`. The file is removed afterwards, unless `use` has
   * moved it away.
   * @throws AppError `queue_full` when `MAX_UPLOADS` data sets are arriving, `archive_too_large`, `invalid_request`,
   * `malformed_multipart`, `request_timeout`; ClientGone; errors of `use`
   */
  async receive<T>(request: Request, response: Response, use: (upload: DatasetUpload) => Promise<T>): Promise<T> {
    const { maxUploads } = this.#limits;
    if (this.#arriving >= maxUploads) {
      throw new AppError('queue_full', `${maxUploads} data sets are arriving, which is the limit; try again later.`, {
        retryAfter: RETRY_AFTER_S,
        context: { limit: maxUploads },
      });
    }
    this.#arriving += 1;
    const end = this.#metrics.startUpload();
    let outcome: UploadOutcome = 'refused';
    const file = new UploadedFile(join(this.#folder, `${randomUUID()}.zip`));
    try {
      await makeFolder(this.#folder);
      const fields = await readDatasetForm(request, response, file, this.#limits);
      const used = await use({ fields, path: file.written ? file.path : undefined });
      outcome = 'taken';
      return used;
    } catch (thrown) {
      if (thrown instanceof ClientGone) outcome = 'aborted';
      throw thrown;
    } finally {
      end(outcome, file.bytesWritten);
      await file.remove();
      this.#arriving -= 1;
    }
  }
}

/** Storage of multer for the one file of a form. */
class UploadedFile implements StorageEngine {
  readonly path: string;
  readonly #stop = new AbortController();
  #writing: Promise<void> | undefined;
  #output: WriteStream | undefined;
  written = false;

  constructor(path: string) {
    this.path = path;
  }

  _handleFile(_request: Request, file: Express.Multer.File, done: (error?: unknown) => void): void {
    const output = createWriteStream(this.path, { flags: 'wx' });
    this.#output = output;
    this.#writing = pipeline(file.stream, output, { signal: this.#stop.signal });
    this.#writing.then(
      () => {
        this.written = true;
        done();
      },
      (thrown: unknown) => done(thrown),
    );
  }

  get bytesWritten(): number {
    return this.#output?.bytesWritten ?? 0;
  }

  /** `remove` does it, at the end of the request. */
  _removeFile(_request: Request, _file: Express.Multer.File, done: (error: Error | null) => void): void {
    done(null);
  }

  /** Stops writing, if it still goes on, and removes the file. */
  async remove(): Promise<void> {
    this.#stop.abort();
    await this.#writing?.catch(() => undefined);
    await rm(this.path, { force: true });
  }
}

async function readDatasetForm(
  request: Request,
  response: Response,
  storage: StorageEngine,
  { maxArchiveBytes, uploadTimeoutMs: timeoutMs, stallTimeoutMs }: UploadLimits,
): Promise<DatasetUpload['fields']> {
  try {
    const { fields } = await readForm(request, response, {
      storage,
      fileField: DATASET_FIELD,
      maxFiles: 1,
      maxFileBytes: maxArchiveBytes,
      maxFields: MAX_FIELDS,
      maxFieldBytes: MAX_FIELD_BYTES,
      body: { maxBytes: maxArchiveBytes + FORM_OVERHEAD_BYTES, timeoutMs, stallTimeoutMs },
    });
    return fields;
  } catch (thrown) {
    const isTooLarge =
      thrown instanceof MulterError
        ? thrown.code === 'LIMIT_FILE_SIZE'
        : thrown instanceof AppError && thrown.code === 'body_too_large';
    if (isTooLarge) throw archiveTooLarge(maxArchiveBytes);
    throw thrown instanceof MulterError ? limitError(thrown) : thrown;
  }
}

function archiveTooLarge(maxArchiveBytes: number): AppError {
  return new AppError(
    'archive_too_large',
    `The zip has more than ${maxArchiveBytes} bytes, the limit; send fewer or smaller images.`,
    { context: { limit: 'max_archive_bytes', maximum: maxArchiveBytes } },
  );
}

/** The error of a data set in a part without a file name: parsers of forms take it for text. */
export function datasetWithoutName(): AppError {
  return new AppError(
    'invalid_request',
    `The part "${DATASET_FIELD}" has no file name, so it is text: send it as a file, with a line such as ` +
      `Content-Disposition: form-data; name="${DATASET_FIELD}"; filename="photos.zip".`,
    { context: { field: DATASET_FIELD } },
  );
}

function limitError({ code, message, field }: MulterError): AppError {
  if (code === 'LIMIT_FIELD_VALUE' && field === DATASET_FIELD) return datasetWithoutName();
  return new AppError(
    'invalid_request',
    `${message}${field === undefined ? '' : `: "${field}"`}. A form holds one file, "${DATASET_FIELD}", and at most ` +
      `${MAX_FIELDS} options of ${MAX_FIELD_BYTES} bytes.`,
    { context: { field: field ?? null } },
  );
}
