import compression from 'compression';
import type { RequestHandler } from 'express';

/** Bytes below which an answer is sent as it is: it fits one packet anyway. */
const THRESHOLD_BYTES = 1_400;

/**
 * Types that are compressed. Pictures, models and tensors hardly shrink. Streams of events would wait in the
 * compressor, and so would the answer to a client that still sends its body: problem details.
 */
const COMPRESSED =
  /^(?:text\/(?:html|plain|css|javascript)|application\/(?:json|yaml|javascript|openmetrics-text)|image\/svg\+xml)\b/;

/** Compresses texts, by brotli or gzip as the client accepts, and says so in `Vary`. */
export const compress: RequestHandler = compression({
  threshold: THRESHOLD_BYTES,
  filter: (_request, response) => COMPRESSED.test(String(response.getHeader('Content-Type') ?? '')),
});
