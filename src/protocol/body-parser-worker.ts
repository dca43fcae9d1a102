/** Entry of the thread that parses long bodies. */
import { parentPort } from 'node:worker_threads';
import { AppError } from '../common/errors.ts';
import type { ParseReply, ParseTask } from './body-parser.ts';
import { bytesOf, PARSERS, type ParsedBodies } from './parsers.ts';

parentPort?.on('message', (task: ParseTask) => {
  const reply = parse(task);
  parentPort?.postMessage(reply, 'parsed' in reply ? memoryOf(reply.parsed) : []);
});

function parse({ kind, body, jsonLength, limits }: ParseTask): ParseReply {
  try {
    const buffer = Buffer.from(body.buffer, body.byteOffset, body.byteLength);
    return { parsed: PARSERS[kind](buffer, jsonLength, limits) };
  } catch (thrown) {
    if (!(thrown instanceof AppError)) throw thrown;
    const { code, message, context } = thrown;
    return { code, message, context };
  }
}

/** Memory that is moved to the main thread rather than copied. Small buffers share memory that cannot be moved. */
function memoryOf(parsed: ParsedBodies[keyof ParsedBodies]): ArrayBuffer[] {
  const buffers = bytesOf(parsed).flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []));
  return [...new Set(buffers)].filter(({ byteLength }) => byteLength > Buffer.poolSize);
}
