import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../../common/compiled-entry.ts';
import { AppError, type ErrorCode } from '../../common/errors.ts';
import { Mutex } from '../../common/mutex.ts';
import { jsonLengthOf, type ProtocolLimits, type ProtocolRequest, parseInferenceRequest } from './inference-request.ts';

/**
 * Longer JSON and longer bodies are parsed in a worker thread. Up to here the event loop is held up for 10 ms at most.
 */
const MAX_INLINE_JSON_BYTES = 64 * 1024;
const MAX_INLINE_BYTES = 4 * 1024 * 1024;
/** Milliseconds after which an idle worker ends, and its memory with it. */
const IDLE_MS = 10_000;

/** A body for the worker. */
export interface ParseTask {
  readonly body: Uint8Array;
  readonly jsonLength: number;
  readonly limits: ProtocolLimits;
}

/** The reply of the worker. */
export type ParseReply =
  | { readonly request: ProtocolRequest }
  | { readonly code: ErrorCode; readonly message: string; readonly context: Readonly<Record<string, unknown>> };

/**
 * Parses bodies of inference requests without holding up the event loop: long ones in a worker thread, one at a time.
 */
export class InferenceRequestParser {
  readonly #limits: ProtocolLimits;
  readonly #turns = new Mutex();
  #worker: Worker | undefined;
  #pending: { resolve(reply: ParseReply): void; reject(error: Error): void } | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor({ maxImages, maxImageBytes }: ProtocolLimits) {
    this.#limits = { maxImages, maxImageBytes };
  }

  /**
   * @param jsonLength value of `Inference-Header-Content-Length`
   * @param signal aborted when the client is gone: a body that still waits for the worker is dropped
   * @throws AppError `invalid_request`, `too_many_images`, `body_too_large`; the reason of `signal`
   */
  async parse(body: Buffer, jsonLength: string | undefined, signal: AbortSignal): Promise<ProtocolRequest> {
    const length = jsonLengthOf(body.length, jsonLength);
    if (length <= MAX_INLINE_JSON_BYTES && body.length <= MAX_INLINE_BYTES) {
      return parseInferenceRequest(body, length, this.#limits);
    }
    return this.#turns.run(async () => {
      signal.throwIfAborted();
      const reply = await this.#parseInWorker({ body, jsonLength: length, limits: this.#limits });
      if ('request' in reply) return reply.request;
      throw new AppError(reply.code, reply.message, { context: reply.context });
    });
  }

  async #parseInWorker(task: ParseTask): Promise<ParseReply> {
    clearTimeout(this.#idle);
    this.#worker ??= this.#startWorker();
    const worker = this.#worker;
    const { buffer, byteLength } = task.body;
    try {
      return await new Promise<ParseReply>((resolve, reject) => {
        this.#pending = { resolve, reject };
        // Moved rather than copied where the body owns its memory.
        worker.postMessage(task, buffer instanceof ArrayBuffer && buffer.byteLength === byteLength ? [buffer] : []);
      });
    } finally {
      this.#idle = setTimeout(() => {
        this.#worker = undefined;
        void worker.terminate();
      }, IDLE_MS).unref();
    }
  }

  #startWorker(): Worker {
    // Without `resourceLimits`: a thread that exceeds its memory can end the process. `checkJsonStructure` bounds it.
    const worker = new Worker(compiledEntry(import.meta.url, 'request-parser-worker.js'));
    const end = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#pending?.reject(error);
    };
    worker.on('message', (reply: ParseReply) => this.#pending?.resolve(reply));
    worker.on('error', end);
    worker.on('exit', (code) => end(new Error(`the parser of inference requests ended with code ${code}`)));
    worker.unref();
    return worker;
  }
}
