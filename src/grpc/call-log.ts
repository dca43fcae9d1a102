import { auditLines } from '../access/audit.ts';
import type { AppError } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { Metrics } from '../metrics/metrics.ts';
import type { CallRecord, MethodRules } from './method.ts';

/** The method of calls in log and metrics, beside those of HTTP. */
const METHOD = 'gRPC';

/** Writes a line to the log for each call, and counts it in the metrics, as requests of HTTP are. */
export class CallLog {
  readonly #logger: Logger;
  readonly #metrics: Pick<Metrics, 'observeRequest'>;
  readonly #audit: ReturnType<typeof auditLines>;

  constructor(logger: Logger, metrics: Pick<Metrics, 'observeRequest'>) {
    this.#logger = logger;
    this.#metrics = metrics;
    this.#audit = auditLines(logger);
  }

  /**
   * Notes that a call is over.
   * @param status the status that HTTP would have answered
   * @param method undefined where none of the server's was called
   */
  write(record: CallRecord, status: number, method: MethodRules | undefined): void {
    const { requestId, traceId, path, address, client, model, images, receivedBytes, sentBytes, startedAt } = record;
    const ms = performance.now() - startedAt;
    this.#metrics.observeRequest({ route: method?.path ?? 'none', method: METHOD, status }, ms / 1_000);
    const line = {
      requestId,
      traceId,
      client: address,
      key: client?.kind === 'key' ? client.name : undefined,
      method: METHOD,
      path,
      model,
      images,
      receivedBytes,
      sentBytes,
      status,
      ms: Math.round(ms * 100) / 100,
    };
    // What is open are health checks, which come every few seconds.
    this.#logger[method?.scope === 'open' ? 'debug' : 'info'](line, 'request');
    if (method?.isChange !== true) return;
    const subject = model === undefined ? undefined : { model };
    this.#audit({ requestId, client, address, action: `${METHOD} ${path}`, subject, status });
  }

  /** Logs why a call failed that was not the client's fault. */
  fault({ requestId, traceId }: CallRecord, error: AppError): void {
    if (error.status < 500) return;
    const level = error.code === 'internal' ? 'error' : 'warn';
    this.#logger[level]({ requestId, traceId, code: error.code, err: error.cause ?? error }, error.message);
  }
}
