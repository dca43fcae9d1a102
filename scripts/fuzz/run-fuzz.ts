import { forEachConcurrently } from '../../src/common/concurrency.ts';
import { residentBytes, type ServerProcess } from '../server-process.ts';
import type { FuzzInput } from './fuzz-input.ts';
import { imageInput, seedImages } from './image-inputs.ts';
import { faultOf } from './judge.ts';
import { FuzzClient, type Outcome } from './send.ts';
import { tensorInput } from './tensor-inputs.ts';

export interface FuzzOptions {
  readonly images: number;
  readonly tensors: number;
  readonly seed: number;
  /** Sends this input alone, such as `image/123`. */
  readonly only?: string | undefined;
  readonly onProgress?: (done: number, total: number, faults: number) => void;
}

export interface FuzzReport {
  /** Answers by status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** What was wrong, with the name of the input; `--only` sends it again. */
  readonly faults: readonly { readonly input: string; readonly fault: string }[];
  /** Resident memory of the server and its children: after the first inputs, and after the last. */
  readonly memory: { readonly before: number; readonly after: number };
}

/** Requests at once. */
const IN_FLIGHT = 8;
/** A request takes milliseconds; a machine that is busy, or an image of 50 million pixels, may take seconds. */
const HANG_MS = 30_000;
/** Share of the inputs after which caches, pools and engines have grown to their size. */
const WARM_UP = 0.1;
/** Inputs that this takes at least: fewer do not yet have every engine and the decoder of HEIC started. */
const MIN_WARM_UP = 150;
/** More than libvips and the engines keep after a large image. */
const MAX_GROWTH_BYTES = 512 * 1024 * 1024;

/** Sends damaged images and tensors to a server and judges what comes back. */
export async function runFuzz(server: ServerProcess, options: FuzzOptions): Promise<FuzzReport> {
  const { images, tensors, seed, only, onProgress } = options;
  const seeds = await seedImages();
  const names = [
    ...Array.from({ length: images }, (_, index) => `image/${index}`),
    ...Array.from({ length: tensors }, (_, index) => `tensor/${index}`),
  ];
  const inputOf = (name: string): FuzzInput => {
    const [kind, index] = name.split('/');
    return (kind === 'image' ? imageInput : tensorInput)(seeds, seed, Number(index));
  };
  const client = new FuzzClient(server.url, IN_FLIGHT, HANG_MS);
  const statuses: Record<string, number> = {};
  const faults: { input: string; fault: string }[] = [];
  const chosen = only === undefined ? names : [only];
  const warmUp = Math.min(chosen.length, Math.max(MIN_WARM_UP, Math.ceil(chosen.length * WARM_UP)));
  let done = 0;
  let before = 0;
  await forEachConcurrently(chosen, IN_FLIGHT, async (input) => {
    if (server.child.exitCode !== null || server.child.signalCode !== null) return;
    const request = inputOf(input);
    const outcome = await client.send(request);
    const key = outcome.kind === 'answer' ? String(outcome.status) : outcome.kind;
    statuses[key] = (statuses[key] ?? 0) + 1;
    const fault = faultOf(request.path, outcome);
    if (fault !== undefined) faults.push({ input, fault: `${fault} ${reasonIn(server.log(), outcome)}`.trim() });
    done += 1;
    if (done === warmUp) before = residentBytes(server);
    onProgress?.(done, chosen.length, faults.length);
  });
  client.close();
  const memory = { before, after: residentBytes(server) };
  faults.push(...faultsOf(server, memory));
  return { statuses, faults, memory };
}

/** What the server has logged of a request that it failed to answer. */
function reasonIn(log: string, outcome: Outcome): string {
  if (outcome.kind !== 'answer') return '';
  const id = /"request_id":"([\w-]+)"/.exec(outcome.body.toString())?.[1];
  return (
    log.split('\n').find((line) => id !== undefined && line.includes(id) && line.includes('"level":"error"')) ?? ''
  );
}

/** What went wrong with the processes. */
function faultsOf(server: ServerProcess, { before, after }: FuzzReport['memory']): FuzzReport['faults'] {
  const { exitCode, signalCode } = server.child;
  const ended = exitCode ?? signalCode;
  const lost = server.log().match(/.*it is started again.*/g) ?? [];
  return [
    ...(ended === null ? [] : [{ input: 'server', fault: `it ended (${ended}): ${server.log().slice(-1_000)}` }]),
    ...lost.map((line) => ({ input: 'engine', fault: line })),
    ...(after - before > MAX_GROWTH_BYTES
      ? [{ input: 'memory', fault: `it grew by ${Math.round((after - before) / 2 ** 20)} MB` }]
      : []),
  ];
}
