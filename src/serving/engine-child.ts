/** Entry of an engine: a process that holds sessions and answers the requests of the server, one at a time. */
import { Socket } from 'node:net';
import { messageOf } from '../common/errors.ts';
import { DamagedFileError } from '../common/file-digest.ts';
import { startHeartbeat } from '../common/watchdog.ts';
import { openSession } from '../runtime/open-session.ts';
import type { Session } from '../runtime/session.ts';
import { FRAMES_FD, FrameReader, sendFrame } from './engine-frames.ts';
import type { EngineReply, EngineRequest } from './engine-messages.ts';

/**
 * How old the resident memory may be that the answer to a run reports: measuring it takes 0.1 ms, a thirtieth of a
 * small model's run.
 */
const RUN_RSS_AGE_MS = 1_000;

const sessions = new Map<string, Session>();
let turn: Promise<void> = Promise.resolve();
/** CPU time of this process until its last answer, with which the costs of the next request begin. */
let cpuBefore = process.cpuUsage();
let resident = { bytes: 0, at: Number.NEGATIVE_INFINITY };

startHeartbeat();
const reader = new FrameReader<EngineRequest>((request) => {
  // Sessions are not re-entrant: requests are answered one after the other.
  turn = turn.then(() => answer(request));
});
const pipe = new Socket({ fd: FRAMES_FD, readable: true, writable: true });
pipe.on('data', (chunk) => reader.push(chunk));
// The server is gone, which `disconnect` tells.
pipe.on('error', () => undefined);
// Ctrl-C in a terminal reaches the whole process group, but the server ends its engines itself when they are done.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
// The channel closes when the server ends this engine, and when the server is killed: no engine outlives the server.
process.on('disconnect', () => process.exit(0));
// The library is loaded before there is a model, while the server still loads its modules, and so belongs to the memory
// that an engine takes without one. What is wrong with the library is told to who loads a model.
await import('../runtime/onnx.ts').catch(() => undefined);
reply({ type: 'ready', rss: rss() });

async function answer(request: EngineRequest): Promise<void> {
  try {
    reply(await handle(request));
  } catch (error) {
    const damaged = error instanceof DamagedFileError;
    reply({ type: 'failed', id: request.id, reason: messageOf(error), damaged, rss: rss() });
  }
}

async function handle(request: EngineRequest): Promise<EngineReply> {
  const { id } = request;
  switch (request.type) {
    case 'load': {
      const { key } = request.model;
      const { runtime, backend, version, rejected } = await load(key, request.model);
      const model = { key, runtime, backend, version, rejected };
      return { type: 'loaded', id, model, rss: rss() };
    }
    case 'run': {
      const session = sessions.get(request.key);
      if (session === undefined) throw new Error(`model ${request.key} is not loaded`);
      const outputs = await session.run(request.pixels, request.outputs, request.classes);
      const { user, system } = process.cpuUsage(cpuBefore);
      return { type: 'ran', id, outputs, cpuMs: (user + system) / 1000, rss: rss(RUN_RSS_AGE_MS) };
    }
    case 'unload': {
      const session = sessions.get(request.key);
      sessions.delete(request.key);
      await session?.close();
      return { type: 'unloaded', id, rss: rss() };
    }
  }
}

async function load(key: string, source: Parameters<typeof openSession>[0]): Promise<Session> {
  const session = sessions.get(key) ?? (await openSession(source));
  sessions.set(key, session);
  return session;
}

/** Resident memory in bytes, measured at most `maxAgeMs` ago. */
function rss(maxAgeMs = 0): number {
  const now = performance.now();
  if (now - resident.at >= maxAgeMs) resident = { bytes: process.memoryUsage.rss(), at: now };
  return resident.bytes;
}

function reply(message: EngineReply): void {
  // The server may have gone; `disconnect` ends this process.
  sendFrame(pipe, message, () => undefined);
  cpuBefore = process.cpuUsage();
}
