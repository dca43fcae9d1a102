import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createLogger } from '../../src/common/logger.ts';
import { startTracing, type Tracing, wantsTraces } from '../../src/metrics/tracing.ts';
import { ask, startServer, type TestServer } from '../http/fixture.ts';

/** A span as the OpenTelemetry Protocol has it in JSON. */
interface Span {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId?: string;
  readonly name: string;
  readonly kind: number;
  readonly startTimeUnixNano: string;
  readonly endTimeUnixNano: string;
  readonly attributes: readonly { readonly key: string; readonly value: Readonly<Record<string, unknown>> }[];
}
interface Export {
  readonly resourceSpans: readonly {
    readonly resource: Pick<Span, 'attributes'>;
    readonly scopeSpans: readonly { readonly spans: readonly Span[] }[];
  }[];
}

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const CALLER = 'b7ad6b7169203331';
const TIMINGS = { decodeMs: 40, queueMs: 5, inferenceMs: 20, batchSize: 3 };

const exports: Export[] = [];
const collector = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on('data', (chunk: Buffer) => void chunks.push(chunk));
  request.on('end', () => {
    if (request.url === '/v1/traces') exports.push(JSON.parse(Buffer.concat(chunks).toString()));
    response.setHeader('Content-Type', 'application/json').end('{}');
  });
});

let spans: Span[] = [];
let answered: Awaited<ReturnType<typeof ask>>[] = [];
let server: TestServer;

beforeAll(async () => {
  await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
  const { port } = collector.address() as AddressInfo;
  vi.stubEnv('OTEL_EXPORTER_OTLP_ENDPOINT', `http://127.0.0.1:${port}`);
  vi.stubEnv('OTEL_EXPORTER_OTLP_PROTOCOL', 'http/json');
  vi.stubEnv('OTEL_RESOURCE_ATTRIBUTES', 'deployment.environment.name=test');
  const tracing = await startTracing('1.2.3', createLogger('silent'));
  expect(tracing).toBeDefined();
  server = await startServer({
    tracing,
    classifier: {
      classify: async ({ images, runtime }) => {
        await new Promise((resolve) => setImmediate(resolve));
        tracing?.addImage('tiny.test', runtime, TIMINGS);
        const results = images.map(({ filename }) => ({ filename, predictions: [], warnings: [], timings: TIMINGS }));
        return { model: 'tiny.test', version: 2, variant: 'float32', runtime, results, timings: { totalMs: 1 } };
      },
    },
  });
  await classifyTraced(server);
  answered = [await ask(server, '/models/nobody'), await ask(server, '/models')];
  teach(tracing);
  await server.close();
  await tracing?.close();
  spans = exports
    .flatMap(({ resourceSpans }) => resourceSpans.flatMap(({ scopeSpans }) => scopeSpans))
    .flatMap((scope) => scope.spans);
});
afterAll(() => {
  vi.unstubAllEnvs();
  collector.close();
});

async function classifyTraced({ url }: TestServer): Promise<void> {
  const headers = { 'Content-Type': 'image/png', traceparent: `00-${TRACE}-${CALLER}-01`, 'X-Request-Id': 'mine' };
  const response = await fetch(`${url}/classify`, { method: 'POST', body: 'x', headers });
  expect(response.headers.get('traceresponse')).toMatch(new RegExp(`^00-${TRACE}-[0-9a-f]{16}-01$`));
}

/** A fine-tune as its process reports it. */
function teach(tracing: Tracing | undefined): void {
  const job = tracing?.startJob('job-1');
  for (const phase of ['reading', 'inspecting', 'inspecting', 'training']) job?.phase(phase);
  job?.end('succeeded');
}

const named = (name: string) => spans.find((span) => span.name === name);
const attribute = (span: Pick<Span, 'attributes'> | undefined, key: string) =>
  Object.values(span?.attributes.find((each) => each.key === key)?.value ?? {})[0];
const ms = (span: Span | undefined) =>
  Number(BigInt(span?.endTimeUnixNano ?? 0) - BigInt(span?.startTimeUnixNano ?? 0)) / 1e6;

it('a request is a span in the trace of its caller', () => {
  const span = named('POST /classify');
  expect(span).toMatchObject({ traceId: TRACE, parentSpanId: CALLER, kind: 2 });
  expect(attribute(span, 'menagerie.request_id')).toBe('mine');
  expect(attribute(span, 'menagerie.model')).toBe('tiny.test@2');
  expect(attribute(span, 'http.response.status_code')).toBe(200);
});

it('its images are decoded, wait and run in spans below it, as long as they took', () => {
  const parent = named('POST /classify');
  const phases = ['decode', 'queue', 'run'].map(named);
  expect(phases.map((span) => [span?.traceId, span?.parentSpanId])).toEqual(new Array(3).fill([TRACE, parent?.spanId]));
  expect(phases.map((span) => Math.round(ms(span)))).toEqual([40, 5, 20]);
  expect(phases[0]?.endTimeUnixNano).toBe(phases[1]?.startTimeUnixNano);
  expect(attribute(phases[2], 'menagerie.batch_size')).toBe(3);
});

it('a request without a caller begins a trace, which its errors and the log name', () => {
  const span = named('GET /models/{id}');
  const [refused] = answered;
  expect(span?.parentSpanId ?? '').toBe('');
  expect(JSON.parse(refused?.text ?? '').trace_id).toBe(span?.traceId);
  expect(server.log.find(({ path }) => path === '/models/nobody')).toMatchObject({ traceId: span?.traceId });
});

it('a fine-tune is a trace of its own, with a span for each phase', () => {
  const job = named('finetune');
  expect(attribute(job, 'menagerie.job')).toBe('job-1');
  const phases = spans.filter(({ parentSpanId }) => parentSpanId === job?.spanId);
  expect(phases.map(({ name }) => name)).toEqual(['reading', 'inspecting', 'training']);
});

it('the resource has our name and what OTEL_RESOURCE_ATTRIBUTES adds, and no command line', () => {
  const resource = exports[0]?.resourceSpans[0]?.resource;
  expect(attribute(resource, 'service.name')).toBe('menagerie');
  expect(attribute(resource, 'deployment.environment.name')).toBe('test');
  expect(JSON.stringify(resource)).not.toContain('process.command');
});

it.each<[Record<string, string>, boolean]>([
  [{}, false],
  [{ OTEL_SERVICE_NAME: 'zoo' }, false],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, true],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://collector:4318/v1/traces' }, true],
  [{ OTEL_TRACES_EXPORTER: 'console' }, true],
  [{ OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, false],
  [{ OTEL_SDK_DISABLED: 'true', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318' }, false],
])('%j asks for traces: %s', (environment, wanted) => {
  expect(wantsTraces(environment)).toBe(wanted);
});
