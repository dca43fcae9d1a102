/**
 * Every error a client can meet, once: `code` is the stable name, `status` the HTTP status, `title` the short
 * human text of RFC 9457. `openapi.yaml` lists the same codes; a contract test holds the two together.
 */
export const ERRORS = {
  invalid_request: { status: 400, title: 'The request is not valid' },
  no_image: { status: 400, title: 'The request holds no image' },
  empty_image: { status: 400, title: 'The image file is empty' },
  malformed_multipart: {
    status: 400,
    title: 'The multipart body cannot be read',
  },
  malformed_request: { status: 400, title: 'The request is no HTTP that can be read' },
  cross_origin: { status: 403, title: 'A page of another origin may not change anything here' },
  job_not_found: { status: 404, title: 'There is no such job' },
  model_not_found: { status: 404, title: 'There is no such model' },
  pull_not_found: { status: 404, title: 'No pull of the model was asked for' },
  report_not_found: { status: 404, title: 'The model has no report' },
  version_not_found: { status: 404, title: 'The model has no such version' },
  route_not_found: { status: 404, title: 'There is no such route' },
  method_not_allowed: {
    status: 405,
    title: 'The route does not take this method',
  },
  request_timeout: {
    status: 408,
    title: 'The request took too long to arrive',
  },
  job_finished: { status: 409, title: 'The job has ended already' },
  model_not_pulled: { status: 404, title: "The model's weights are not here" },
  model_not_loaded: { status: 409, title: 'The model is not loaded' },
  model_read_only: { status: 409, title: 'The model belongs to the zoo and stays as it is' },
  format_unavailable: { status: 409, title: 'The model does not come in this format' },
  no_classifier: { status: 409, title: 'The model names no classes' },
  version_in_use: { status: 409, title: 'An alias points at the version' },
  archive_too_large: { status: 413, title: 'The archive is larger than a limit' },
  body_too_large: { status: 413, title: 'The body is larger than the limit' },
  too_many_images: { status: 413, title: 'The request holds too many images' },
  image_too_large: {
    status: 413,
    title: 'The image has more pixels than the limit',
  },
  unsupported_archive: { status: 415, title: 'The archive is not a zip that can be read' },
  unsupported_media_type: {
    status: 415,
    title: 'The body is of a type that is not taken',
  },
  unsupported_image: {
    status: 415,
    title: 'The file is not an image of a supported format',
  },
  archive_bomb: { status: 422, title: 'The archive expands beyond any set of photos' },
  archive_corrupt: { status: 422, title: 'The archive is damaged' },
  archive_encrypted: { status: 422, title: 'The archive is encrypted' },
  archive_unsafe: { status: 422, title: 'The archive holds names that lead out of it' },
  corrupt_image: { status: 422, title: 'The image cannot be decoded' },
  dataset_layout: { status: 422, title: 'The labels of the images cannot be told' },
  dataset_too_small: { status: 422, title: 'There are too few images to learn from' },
  not_explainable: { status: 422, title: 'The answers of the model cannot be traced back to the image' },
  job_queue_full: { status: 429, title: 'Too many jobs are waiting' },
  queue_full: { status: 429, title: 'The server is busy' },
  headers_too_large: { status: 431, title: 'The head of the request is too large' },
  internal: { status: 500, title: 'The server failed' },
  training_lost: { status: 503, title: 'The training stopped before it was done' },
  engine_lost: {
    status: 503,
    title: 'The engine stopped while it held the request',
  },
  model_unavailable: { status: 503, title: 'The model cannot be loaded' },
  shutting_down: { status: 503, title: 'The server is shutting down' },
} as const satisfies Record<string, { status: number; title: string }>;

/** Stable name of an error a client can meet. */
export type ErrorCode = keyof typeof ERRORS;

/** Further members of the problem details, beside code and detail. */
export interface ErrorExtras {
  /** Seconds after which a retry may succeed; sent as `Retry-After`. */
  readonly retryAfter?: number;
  /** Machine-readable facts: the limit that was passed, the field that was wrong. Shown to the client. */
  readonly context?: Readonly<Record<string, unknown>>;
  readonly cause?: unknown;
}

/** An error meant for the client. `detail` says what was wrong and what would be right. */
export class AppError extends Error {
  readonly code: ErrorCode;
  readonly retryAfter: number | undefined;
  readonly context: Readonly<Record<string, unknown>>;

  constructor(code: ErrorCode, detail: string, extras: ErrorExtras = {}) {
    super(detail, extras.cause === undefined ? undefined : { cause: extras.cause });
    this.name = 'AppError';
    this.code = code;
    this.retryAfter = extras.retryAfter;
    this.context = extras.context ?? {};
  }

  get status(): number {
    return ERRORS[this.code].status;
  }
}

/** The message of anything that was thrown. */
export function messageOf(thrown: unknown): string {
  return thrown instanceof Error ? thrown.message : String(thrown);
}
