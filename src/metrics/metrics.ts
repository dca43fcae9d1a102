import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, Histogram, Registry } from 'prom-client';
import { createJobMetrics, type JobMetrics, type JobSources } from './job-metrics.ts';
import type { ProcessCpu } from './process-cpu.ts';

/** A process of the server and the memory it holds. */
interface ProcessMemory {
  /** `server`, `engine-0`, ... */
  readonly process: string;
  readonly rssBytes: number;
}

/** Images that wait for one model on one runtime. */
export interface QueueDepth {
  readonly model: string;
  readonly runtime: string;
  readonly depth: number;
}

/** A version of a model that has memory in the engines, on one runtime. */
export interface ModelMemory {
  readonly model: string;
  readonly version: number;
  readonly runtime: string;
  /** Bytes of the weights, over all sessions. Versions with the same weights share them. */
  readonly bytes: number;
}

/** A runtime in use, its backend, and the version of its library. */
interface RuntimeInfo {
  readonly runtime: string;
  readonly backend: string;
  readonly version: string;
}

/** Something beyond this machine that the server stands on. */
export interface DependencyState {
  /** `s3`, `redis`, `triton` */
  readonly dependency: string;
  /** Whether it has answered when it was last asked. */
  readonly isUp: boolean;
}

/** Values that are read at each scrape. */
export interface MetricsSources {
  readonly version: string;
  readonly memory: () => readonly ProcessMemory[] | Promise<readonly ProcessMemory[]>;
  readonly cpu: () => Promise<readonly ProcessCpu[]>;
  readonly queues: () => readonly QueueDepth[];
  readonly loaded: () => readonly ModelMemory[];
  /** Images that are being decoded, waiting or being computed. */
  readonly imagesInFlight: () => number;
  readonly runtimes: () => readonly RuntimeInfo[];
}

/** Durations of the stages of one image, in milliseconds, and the number of images in its batch. */
export interface ImageTimings {
  readonly decodeMs: number;
  readonly queueMs: number;
  readonly inferenceMs: number;
  readonly batchSize: number;
}

/** Labels of a request. */
interface RequestLabels {
  /** Path of the route as in `openapi.yaml`, or `none`. */
  readonly route: string;
  readonly method: string;
  readonly status: number;
}

/** Counters and histograms of the server, and their text for Prometheus. */
export interface Metrics extends JobMetrics {
  readonly contentType: string;
  text(): Promise<string>;
  observeRequest(labels: RequestLabels, seconds: number): void;
  observeImage(model: string, runtime: string, timings: ImageTimings): void;
  observeBatch(model: string, runtime: string, images: number): void;
  observeEviction(model: string, runtime: string): void;
  /** @param reason `hung` when the watchdog killed the engine, `exited` otherwise */
  observeEngineLoss(reason: 'exited' | 'hung'): void;
  /** Adds what only a server has, beside the models. */
  watchServer(sources: ServerSources): void;
  close(): void;
}

/** Values of a server that are read at each scrape. */
export interface ServerSources extends JobSources {
  /** Bytes of bodies that are arriving or being answered. */
  readonly bytesInFlight: () => number;
  readonly dependencies: () => readonly DependencyState[];
}

/** Buckets in seconds: from a cached answer to a large batch of a large model. */
const SECONDS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
const IMAGES = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** How often the event loop is looked at, in milliseconds; part of what the monitor reports, so taken off it. */
const LOOP_RESOLUTION_MS = 10;

/** Metrics of this process, in a registry of their own. */
export function createMetrics(sources: MetricsSources): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: 'menagerie_http_requests_total',
    help: 'Answered requests by route, method and status; 499 is a client that closed the connection',
    labelNames: ['route', 'method', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'menagerie_http_request_duration_seconds',
    help: 'Time from the headers of a request to the end of its answer',
    labelNames: ['route', 'method'],
    buckets: SECONDS,
    registers,
  });
  const stages = new Histogram({
    name: 'menagerie_image_stage_seconds',
    help: 'Time of an image in a stage: decode (including resize), queue, inference, and their total',
    labelNames: ['stage', 'model', 'runtime'],
    buckets: SECONDS,
    registers,
  });
  const batches = new Histogram({
    name: 'menagerie_batch_images',
    help: 'Images in a batch',
    labelNames: ['model', 'runtime'],
    buckets: IMAGES,
    registers,
  });
  const evictions = new Counter({
    name: 'menagerie_model_evictions_total',
    help: 'Models unloaded to make room for others',
    labelNames: ['model', 'runtime'],
    registers,
  });
  const engineLosses = new Counter({
    name: 'menagerie_engine_restarts_total',
    help: 'Engine processes that were lost and started again: hung (killed by the watchdog) or exited (any other end)',
    labelNames: ['reason'],
    registers,
  });
  // Counters that are there from the start: a rate of a series that appears with its first event misses that event.
  for (const reason of ['exited', 'hung']) engineLosses.inc({ reason }, 0);
  scrapedGauges(registers, sources);
  const loop = eventLoopGauge(registers);

  const jobs = createJobMetrics(registers);

  return {
    ...jobs.metrics,
    watchServer: ({ bytesInFlight, dependencies, ...sources }) => {
      jobs.watch(sources);
      new Gauge({
        name: 'menagerie_dependency_up',
        help: 'Whether the bucket of ARTIFACT_STORE (s3), the Redis of JOB_QUEUE (redis) and the Triton server of ENGINE (triton) answer; without s3 or redis, the server goes on with what it holds',
        labelNames: ['dependency'],
        registers,
        collect() {
          for (const { dependency, isUp } of dependencies()) this.set({ dependency }, Number(isUp));
        },
      });
      new Gauge({
        name: 'menagerie_body_bytes_in_flight',
        help: 'Bytes of request bodies that are arriving or being answered; MAX_BYTES_IN_FLIGHT limits them',
        registers,
        collect() {
          this.set(bytesInFlight());
        },
      });
    },
    contentType: registry.contentType,
    text: () => registry.metrics(),
    observeRequest: ({ route, method, status }, seconds) => {
      requests.inc({ route, method, status });
      durations.observe({ route, method }, seconds);
    },
    observeImage: (model, runtime, { decodeMs, queueMs, inferenceMs }) => {
      const observe = (stage: string, ms: number) => stages.observe({ stage, model, runtime }, ms / 1_000);
      observe('decode', decodeMs);
      observe('queue', queueMs);
      observe('inference', inferenceMs);
      observe('total', decodeMs + queueMs + inferenceMs);
    },
    observeBatch: (model, runtime, images) => batches.observe({ model, runtime }, images),
    observeEviction: (model, runtime) => evictions.inc({ model, runtime }),
    observeEngineLoss: (reason) => engineLosses.inc({ reason }),
    close: () => loop.stop(),
  };
}

function scrapedGauges(
  registers: Registry[],
  { version, memory, cpu, queues, loaded, imagesInFlight, runtimes }: MetricsSources,
): void {
  new Gauge({
    name: 'menagerie_build_info',
    help: 'Version of the server and of Node.js',
    labelNames: ['version', 'node'],
    registers,
  }).set({ version, node: process.versions.node }, 1);
  new Gauge({
    name: 'menagerie_runtime_info',
    help: 'Runtimes in use, with backend and version',
    labelNames: ['runtime', 'backend', 'version'],
    registers,
    collect() {
      this.reset();
      for (const { runtime, backend, version: library } of runtimes()) {
        this.set({ runtime, backend, version: library }, 1);
      }
    },
  });
  new Gauge({
    name: 'menagerie_images_in_flight',
    help: 'Images that are being decoded, waiting or being computed',
    registers,
    collect() {
      this.set(imagesInFlight());
    },
  });
  new Gauge({
    name: 'menagerie_queue_images',
    help: 'Waiting images',
    labelNames: ['model', 'runtime'],
    registers,
    collect() {
      this.reset();
      for (const { model, runtime, depth } of queues()) this.set({ model, runtime }, depth);
    },
  });
  new Gauge({
    name: 'menagerie_model_loaded_bytes',
    help: 'Bytes of weights in the engines, over all sessions of a model; versions with the same weights share them',
    labelNames: ['model', 'version', 'runtime'],
    registers,
    collect() {
      this.reset();
      for (const { model, version, runtime, bytes } of loaded()) this.set({ model, version, runtime }, bytes);
    },
  });
  new Gauge({
    name: 'menagerie_process_resident_memory_bytes',
    help: 'Resident memory of each process of the server',
    labelNames: ['process'],
    registers,
    async collect() {
      const processes = await memory();
      this.reset();
      for (const { process: name, rssBytes } of processes) this.set({ process: name }, rssBytes);
    },
  });
  new Counter({
    name: 'menagerie_process_cpu_seconds_total',
    help: 'CPU time of each process of the server; others: training, conversions and processes that have ended',
    labelNames: ['process'],
    registers,
    async collect() {
      const processes = await cpu();
      this.reset();
      for (const { process: name, seconds } of processes) this.inc({ process: name }, seconds);
    },
  });
}

function eventLoopGauge(registers: Registry[]): { stop(): void } {
  const monitor = monitorEventLoopDelay({ resolution: LOOP_RESOLUTION_MS });
  monitor.enable();
  const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / 1e9 - LOOP_RESOLUTION_MS / 1e3);
  new Gauge({
    name: 'menagerie_event_loop_delay_seconds',
    help: 'Delay of the event loop of the server since the last scrape: its median, 99th percentile and maximum',
    labelNames: ['statistic'],
    registers,
    collect() {
      if (monitor.count === 0) return;
      this.set({ statistic: 'p50' }, seconds(monitor.percentile(50)));
      this.set({ statistic: 'p99' }, seconds(monitor.percentile(99)));
      this.set({ statistic: 'max' }, seconds(monitor.max));
      monitor.reset();
    },
  });
  return { stop: () => void monitor.disable() };
}
