import { Worker } from 'node:worker_threads';
import { compiledEntry } from '../common/compiled-entry.ts';
import { AppError, type ErrorCode } from '../common/errors.ts';
import { Mutex } from '../common/mutex.ts';
import type { ParserLimits } from './limits.ts';
import { PARSERS, type ParsedBodies } from './parsers.ts';

/**
 * Longer JSON and longer bodies are parsed in a worker thread. Up to here the event loop is held up for 10 ms at most.
 */
const MAX_INLINE_JSON_BYTES = 64 * 1024;
const MAX_INLINE_BYTES = 4 * 1024 * 1024;
/** Milliseconds after which an idle worker ends, and its memory with it. */
const IDLE_MS = 10_000;

/** A body for the worker. */
export interface ParseTask {
  readonly kind: keyof ParsedBodies;
  readonly body: Uint8Array;
  readonly jsonLength: number;
  readonly limits: ParserLimits;
}

/** The reply of the worker. */
export type ParseReply =
  | { readonly parsed: ParsedBodies[keyof ParsedBodies] }
  | { readonly code: ErrorCode; readonly message: string; readonly context: Readonly<Record<string, unknown>> };

/** Parses bodies without holding up the event loop: long ones in a worker thread, one at a time. */
export class BodyParser {
  readonly #limits: ParserLimits;
  readonly #turns = new Mutex();
  #worker: Worker | undefined;
  #pending: { resolve(reply: ParseReply): void; reject(error: Error): void } | undefined;
  #idle: NodeJS.Timeout | undefined;

  constructor({ maxImages, maxImageBytes }: ParserLimits) {
    this.#limits = { maxImages, maxImageBytes };
  }

  /**
   * @param jsonLength bytes of JSON at the start of the body; a message of gRPC has none
   * @param signal aborted when the client is gone: a body that still waits for the worker is dropped
   * @throws AppError `invalid_request`, `no_image`, `too_many_images`, `body_too_large`; the reason of `signal`
   */
  async parse<Kind extends keyof ParsedBodies>(
    kind: Kind,
    body: Buffer,
    signal: AbortSignal,
    jsonLength = body.length,
  ): Promise<ParsedBodies[Kind]> {
    if (jsonLength <= MAX_INLINE_JSON_BYTES && body.length <= MAX_INLINE_BYTES) {
      return PARSERS[kind](body, jsonLength, this.#limits);
    }
    return this.#turns.run(async () => {
      signal.throwIfAborted();
      const reply = await this.#parseInWorker({ kind, body, jsonLength, limits: this.#limits });
      if ('parsed' in reply) return reply.parsed as ParsedBodies[Kind];
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
    const worker = new Worker(compiledEntry(import.meta.url, 'body-parser-worker.js'));
    const end = (error: Error): void => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#pending?.reject(error);
    };
    worker.on('message', (reply: ParseReply) => this.#pending?.resolve(reply));
    worker.on('error', end);
    worker.on('exit', (code) => end(new Error(`the parser of bodies ended with code ${code}`)));
    worker.unref();
    return worker;
  }
}
