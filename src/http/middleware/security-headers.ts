import type { RequestHandler } from 'express';

/** Policy of data: nothing may load or run. */
const DATA_POLICY = "default-src 'none'; frame-ancestors 'none'";

/** Policy of the documentation: scripts, styles and images of this server, and requests to it. */
export const DOCUMENT_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; " +
  "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/**
 * Policy of the page: everything from this server, no inline scripts or styles. Pictures of the user are blobs,
 * thumbnails of reports are data URIs, and TensorFlow.js compiles WebAssembly. It has no workers.
 */
export const PAGE_POLICY = pagePolicy("'none'");

/** Policy of the page that works offline, which also has a service worker and a manifest. */
export const OFFLINE_PAGE_POLICY = pagePolicy("'self'");

/** Policy of its service worker, which only fetches the files of the page. */
export const SERVICE_WORKER_POLICY = "default-src 'none'; connect-src 'self'; frame-ancestors 'none'";

/** Policy of reports: one file with inline styles and pictures, and no script. */
export const REPORT_POLICY =
  "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'none'";

/** Sets headers that keep browsers from guessing types, framing, sending referrers and caching. */
export const securityHeaders: RequestHandler = (_request, response, next) => {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('X-Frame-Options', 'DENY');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Cache-Control', 'no-store');
  response.setHeader('Content-Security-Policy', DATA_POLICY);
  next();
};

function pagePolicy(offline: "'none'" | "'self'"): string {
  return (
    "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; img-src 'self' data: blob:; media-src 'self' blob:; " +
    `worker-src ${offline}; manifest-src ${offline}; ` +
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
  );
}
