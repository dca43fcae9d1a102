import { AppError } from '../common/errors.ts';

/**
 * Limits of JSON with tensors. Memory and time of a parser grow with arrays, objects and strings far more than with
 * numbers: 32 MB of `{},` take seconds and 700 MB, and a thread that reaches its memory limit ends the whole process.
 */
const LIMITS = {
  /** A pixel as an array of its own, `[255,255,255],`, has 14 bytes: as many as fit 32 MB. */
  containers: 2_400_000,
  /** Names, keys and one file per image. */
  strings: 100_000,
  /** Images have four dimensions, and are in the second level. */
  nesting: 16,
};

/** More numbers than that are sent as binary data, in a third of the bytes. */
const MAX_JSON_BYTES = 32 * 1024 * 1024;

const [QUOTE, BACKSLASH, OPEN_ARRAY, OPEN_OBJECT, CLOSE_ARRAY, CLOSE_OBJECT] = Buffer.from('"\\[{]}');

/** Checks the length of JSON that may hold tensors. @throws AppError `body_too_large` */
export function checkJsonLength(json: Buffer): void {
  if (json.length <= MAX_JSON_BYTES) return;
  throw new AppError(
    'body_too_large',
    `The JSON has ${json.length} bytes; the limit is ${MAX_JSON_BYTES}: send the tensor as binary data.`,
    { context: { max_bytes: MAX_JSON_BYTES } },
  );
}

/**
 * Checks JSON before it is parsed, in one pass over its bytes.
 * @throws AppError `invalid_request` when it exceeds a limit
 */
export function checkJsonStructure(json: Buffer): void {
  let containers = 0;
  let strings = 0;
  let nesting = 0;
  for (let index = 0; index < json.length; index++) {
    const byte = json[index];
    if (byte === QUOTE) {
      index = endOfString(json, index + 1);
      if (++strings > LIMITS.strings) throw exceeded('strings');
    } else if (byte === OPEN_ARRAY || byte === OPEN_OBJECT) {
      if (++containers > LIMITS.containers) throw exceeded('containers');
      if (++nesting > LIMITS.nesting) throw exceeded('nesting');
    } else if (byte === CLOSE_ARRAY || byte === CLOSE_OBJECT) nesting -= 1;
  }
}

/** Index of the quote that ends a string. */
function endOfString(json: Buffer, start: number): number {
  for (let end = json.indexOf('"', start); end !== -1; end = json.indexOf('"', end + 1)) {
    let backslashes = 0;
    while (json[end - 1 - backslashes] === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return end;
  }
  return json.length;
}

/** What each limit counts, and what to send instead. */
const HINTS: Readonly<Record<keyof typeof LIMITS, string>> = {
  containers: 'arrays and objects; send "data" as a flat array, or the tensor as binary data',
  strings: 'strings; send numbers, or one file per image',
  nesting: 'levels of nested arrays; send "data" nested by shape, or flat',
};

function exceeded(limit: keyof typeof LIMITS): AppError {
  return new AppError('invalid_request', `The JSON has more than ${LIMITS[limit]} ${HINTS[limit]}.`, {
    context: { limit, maximum: LIMITS[limit] },
  });
}
