import type { RequestHandler } from 'express';

/** For answers that are data: nothing in them may load or run. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** For pages served by us: their own scripts, styles and images, and requests to this server. */
export const DOCUMENT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
  "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/**
 * For the page: everything from here, no inline script or style. Pictures that the page makes or is given are blobs,
 * thumbnails of reports are data; TensorFlow.js compiles WebAssembly.
 */
export const PAGE_POLICY =
  "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; media-src 'self' blob:; " +
  "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** For reports: one file with its style and pictures inside, and no script. */
export const REPORT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** Headers that keep a browser from guessing, framing, leaking and storing. */
export const securityHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('X-Frame-Options', 'DENY');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Content-Security-Policy', DATA_POLICY);
  next();
};
