/** Entry of the thread that parses long inference requests. */
import { parentPort } from 'node:worker_threads';
import { AppError } from '../../common/errors.ts';
import { type ProtocolRequest, parseInferenceRequest } from './inference-request.ts';
import type { ParseReply, ParseTask } from './request-parser.ts';

parentPort?.on('message', (task: ParseTask) => {
  const reply = parse(task);
  parentPort?.postMessage(reply, 'request' in reply ? memoryOf(reply.request) : []);
});

function parse({ body, jsonLength, limits }: ParseTask): ParseReply {
  try {
    const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    return { request: parseInferenceRequest(buffer, jsonLength, limits) };
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    const { code, message, context } = thrown;
    return { code, message, context };
  }
}

/** Memory that is moved to the main thread rather than copied. Small buffers share memory that cannot be moved. */
function memoryOf({ input }: ProtocolRequest): ArrayBuffer[] {
  const views = 'pixels' in input ? [input.pixels.data] : input.images;
  const buffers = views.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []));
  return [...new Set(buffers)].filter(({ byteLength }) => byteLength > Buffer.poolSize);
}
