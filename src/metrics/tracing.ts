import type { IncomingHttpHeaders } from 'node:http';
import type * as OpenTelemetry from '@opentelemetry/sdk-node';
import { messageOf } from '../common/errors.ts';
import type { Logger } from '../common/logger.ts';
import type { JobObserver, JobOutcome } from './job-observer.ts';
import type { ImageTimings } from './metrics.ts';
import type { TraceContext } from './trace-context.ts';

/** The package that records and sends traces. It is installed by those who want them. */
const SDK = '@opentelemetry/sdk-node';
const NAME = 'menagerie';

type SdkParts = Pick<typeof OpenTelemetry, 'api' | 'NodeSDK' | 'resources'>;

/** What is known of a request when it is over. */
interface RequestFacts {
  readonly route: string | undefined;
  readonly status: number;
  readonly requestId: string;
  readonly client: string | undefined;
  readonly model: string | undefined;
  readonly images: number | undefined;
}

/** The span of a request. */
export interface RequestSpan {
  readonly context: TraceContext;
  /** Calls `work`; spans of what it starts become children of this one. */
  run(work: () => void): void;
  end(facts: RequestFacts): void;
}

/** Whether the variables of OpenTelemetry ask for traces. */
export function wantsTraces(environment: Readonly<Record<string, string | undefined>>): boolean {
  if (environment['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') return false;
  const { OTEL_TRACES_EXPORTER: exporter = '' } = environment;
  if (exporter !== '') return exporter !== 'none';
  return ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'].some((name) => environment[name]);
}

/**
 * Starts OpenTelemetry's SDK, which reads its own variables (`OTEL_*`).
 * @returns undefined when the SDK is not installed or cannot be started; the log says why
 */
export async function startTracing(version: string, logger: Logger): Promise<Tracing | undefined> {
  let sdk: typeof OpenTelemetry;
  try {
    sdk = await import(SDK);
  } catch (thrown) {
    logger.warn(
      { reason: messageOf(thrown) },
      `no traces are sent, although variables of OpenTelemetry ask for them: install it with "npm install ${SDK}"`,
    );
    return undefined;
  }
  try {
    return new Tracing(sdk, version, logger);
  } catch (thrown) {
    logger.warn({ reason: messageOf(thrown) }, 'no traces are sent: the SDK of OpenTelemetry did not start');
    return undefined;
  }
}

/**
 * Traces of OpenTelemetry: a span for each request, with the decoding, waiting and running of its images, and one for
 * each fine-tune, with its phases. Child processes know nothing of it: their spans are made from the times that they
 * report.
 */
export class Tracing implements JobObserver {
  readonly #api: typeof OpenTelemetry.api;
  /** Undefined where the program around this server has one already, which then gets our spans. */
  readonly #sdk: OpenTelemetry.NodeSDK | undefined;
  readonly #tracer: OpenTelemetry.api.Tracer;

  constructor({ api, NodeSDK, resources }: SdkParts, version: string, logger: Logger) {
    this.#api = api;
    this.#sdk = isTraced(api) ? undefined : startSdk({ api, NodeSDK, resources }, version, logger);
    this.#tracer = api.trace.getTracer(NAME, version);
  }

  startRequest(method: string, headers: IncomingHttpHeaders): RequestSpan {
    const { context, propagation, trace, SpanKind, SpanStatusCode } = this.#api;
    const caller = propagation.extract(context.active(), headers);
    const attributes = { 'http.request.method': method };
    const span = this.#tracer.startSpan(method, { kind: SpanKind.SERVER, attributes }, caller);
    const { traceId, spanId, traceFlags } = span.spanContext();
    return {
      context: { traceId, spanId, flags: traceFlags.toString(16).padStart(2, '0') },
      run: (work) => context.with(trace.setSpan(caller, span), work),
      end: ({ route, status, requestId, client, model, images }) => {
        if (route !== undefined) span.updateName(`${method} ${route}`);
        span.setAttributes({
          'http.response.status_code': status,
          'menagerie.request_id': requestId,
          ...(route !== undefined && { 'http.route': route }),
          ...(client !== undefined && { 'client.address': client }),
          ...(model !== undefined && { 'menagerie.model': model }),
          ...(images !== undefined && { 'menagerie.images': images }),
        });
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR });
        span.end();
      },
    };
  }

  /** Makes the spans of an image that has just been computed, as children of its request's span. */
  addImage(model: string, runtime: string, { decodeMs, queueMs, inferenceMs, batchSize }: ImageTimings): void {
    const now = Date.now();
    const phases = [
      { name: 'decode', from: inferenceMs + queueMs + decodeMs, to: inferenceMs + queueMs },
      { name: 'queue', from: inferenceMs + queueMs, to: inferenceMs },
      { name: 'run', from: inferenceMs, to: 0 },
    ];
    for (const { name, from, to } of phases) {
      const attributes = {
        'menagerie.model': model,
        'menagerie.runtime': runtime,
        ...(name === 'run' && { 'menagerie.batch_size': batchSize }),
      };
      this.#tracer.startSpan(name, { startTime: now - from, attributes }).end(now - to);
    }
  }

  startJob(id: string): { phase(name: string): void; end(outcome: JobOutcome): void } {
    const { context, trace, SpanStatusCode, ROOT_CONTEXT } = this.#api;
    const job = this.#tracer.startSpan('finetune', { attributes: { 'menagerie.job': id } }, ROOT_CONTEXT);
    const inJob = trace.setSpan(ROOT_CONTEXT, job);
    let running: { readonly name: string; readonly span: OpenTelemetry.api.Span } | undefined;
    return {
      phase: (name) => {
        if (name === running?.name) return;
        running?.span.end();
        running = { name, span: context.with(inJob, () => this.#tracer.startSpan(name)) };
      },
      end: (outcome) => {
        running?.span.end();
        job.setAttribute('menagerie.outcome', outcome);
        if (outcome !== 'succeeded') job.setStatus({ code: SpanStatusCode.ERROR });
        job.end();
      },
    };
  }

  /** Sends what is left. */
  async close(): Promise<void> {
    // A collector that cannot be reached has been logged.
    if (this.#sdk === undefined) return;
    await this.#sdk.shutdown().catch(() => undefined);
    for (const part of ['trace', 'context', 'propagation', 'diag'] as const) this.#api[part].disable();
  }
}

/** Whether somebody has set up OpenTelemetry in this process. */
function isTraced({ trace, ProxyTracerProvider }: typeof OpenTelemetry.api): boolean {
  const provider = trace.getTracerProvider();
  // The class of the delegate that does nothing is not exported.
  return !(provider instanceof ProxyTracerProvider) || provider.getDelegate().constructor.name !== 'NoopTracerProvider';
}

function startSdk({ api, NodeSDK, resources }: SdkParts, version: string, logger: Logger): OpenTelemetry.NodeSDK {
  // Collectors that cannot be reached are its most common errors.
  const warn = (message: string) => logger.warn({ reason: message }, 'OpenTelemetry');
  const silent = () => undefined;
  api.diag.setLogger({ error: warn, warn: silent, info: silent, debug: silent, verbose: silent });
  const sdk = new NodeSDK({
    instrumentations: [],
    metricReaders: [],
    logRecordProcessors: [],
    resource: resources.resourceFromAttributes({ 'service.name': NAME, 'service.version': version }),
    // Others would send the command line and the name of the machine.
    resourceDetectors: [resources.envDetector],
  });
  sdk.start();
  return sdk;
}
