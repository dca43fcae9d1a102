/**
 * All errors that clients can get: `code` is the stable name, `status` the HTTP status, `title` the short summary of
 * RFC 9457. `openapi.yaml` lists the same codes; a contract test compares the two.
 */
export const ERRORS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  no_image: { status: 400, title: 'The request contains no image' },
  empty_image: { status: 400, title: 'The image file is empty' },
  malformed_multipart: {
    status: 400,
    title: 'The multipart body cannot be parsed',
  },
  malformed_request: { status: 400, title: 'The request is not valid HTTP' },
  key_invalid: { status: 401, title: 'The key is not valid' },
  key_missing: { status: 401, title: 'The request needs a key' },
  scope_missing: { status: 403, title: 'The key does not allow the request' },
  cross_origin: { status: 403, title: 'Requests from pages of another origin are not allowed' },
  job_not_found: { status: 404, title: 'The job does not exist' },
  label_not_found: { status: 404, title: 'The synset is not known' },
  model_not_found: { status: 404, title: 'The model does not exist' },
  pull_not_found: { status: 404, title: 'There is no pull of this model' },
  report_not_found: { status: 404, title: 'The model has no report' },
  version_not_found: { status: 404, title: 'The model has no such version' },
  route_not_found: { status: 404, title: 'The route does not exist' },
  method_not_allowed: {
    status: 405,
    title: 'The route does not support this method',
  },
  host_not_allowed: { status: 421, title: 'The server does not answer to this host name' },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
  },
  job_finished: { status: 409, title: 'The job has already ended' },
  model_not_pulled: { status: 404, title: 'The weights of the model have not been pulled' },
  model_not_loaded: { status: 409, title: 'The model is not loaded' },
  model_read_only: { status: 409, title: 'The model belongs to the zoo and cannot be changed' },
  format_unavailable: { status: 409, title: 'The model is not available in this format' },
  variant_unavailable: { status: 409, title: 'The model does not have this variant' },
  no_classifier: { status: 409, title: 'The model has no classes' },
  no_hierarchy: { status: 409, title: 'The classes of the model have no synsets' },
  version_in_use: { status: 409, title: 'An alias points to the version' },
  archive_too_large: { status: 413, title: 'The archive is too large' },
  body_too_large: { status: 413, title: 'The body is too large' },
  too_many_images: { status: 413, title: 'The request contains too many images' },
  image_too_large: {
    status: 413,
    title: 'The image has too many pixels',
  },
  unsupported_archive: { status: 415, title: 'The file is not a readable zip archive' },
  unsupported_media_type: {
    status: 415,
    title: 'The media type of the body is not supported',
  },
  unsupported_image: {
    status: 415,
    title: 'The file is not an image in a supported format',
  },
  archive_bomb: { status: 422, title: 'The archive expands to more than a data set may have' },
  archive_corrupt: { status: 422, title: 'The archive is damaged' },
  archive_encrypted: { status: 422, title: 'The archive is encrypted' },
  archive_unsafe: { status: 422, title: 'The archive contains unsafe file names' },
  corrupt_image: { status: 422, title: 'The image cannot be decoded' },
  dataset_layout: { status: 422, title: 'The labels of the images cannot be determined' },
  dataset_too_small: { status: 422, title: 'There are too few images to train on' },
  idempotency_key_reused: { status: 422, title: 'The key was sent with another request before' },
  not_explainable: { status: 422, title: 'The predictions of the model cannot be explained' },
  job_queue_full: { status: 429, title: 'Too many jobs are waiting' },
  rate_limited: { status: 429, title: 'The client sends too many requests' },
  queue_full: { status: 429, title: 'The server is busy' },
  headers_too_large: { status: 431, title: 'The request headers are too large' },
  internal: { status: 500, title: 'The server failed' },
  tensorflow_missing: { status: 501, title: 'TensorFlow.js is not installed on the server' },
  training_lost: { status: 503, title: 'The training process stopped before it was done' },
  engine_lost: {
    status: 503,
    title: 'The engine stopped while it processed the request',
  },
  model_unavailable: { status: 503, title: 'The model cannot be loaded' },
  storage_unavailable: { status: 503, title: 'The server cannot use its storage' },
  shutting_down: { status: 503, title: 'The server is shutting down' },
  storage_full: { status: 507, title: 'The storage of the server is full' },
} as const satisfies Record<string, { status: number; title: string }>;

/** Stable name of an error that clients can get. */
export type ErrorCode = keyof typeof ERRORS;

/** Optional members of the problem details. */
export interface ErrorExtras {
  /** Seconds after which a retry may succeed; sent as `Retry-After`. */
  readonly retryAfter?: number;
  /** Machine-readable facts for the client, such as the limit that was exceeded or the field that was wrong. */
  readonly context?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An error that is shown to the client. Its message says what was wrong and what would be right. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryAfter: number | undefined;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, detail: string, extras: ErrorExtras = {}) {
    super(detail, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = 'MenagerieError';
    this.code = code;
    this.retryAfter = extras.retryAfter;
    this.context = extras.context ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** The message of any thrown value. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
