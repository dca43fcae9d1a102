import type { Session, SessionSource } from './session.ts';

/** Loads a converted model. The runtime's library is loaded on first use: a process that never needs it never pays. */
export async function openSession(source: SessionSource): Promise<Session> {
  if (source.runtime === 'onnx') return (await import('./onnx.ts')).openOnnxSession(source);
  return (await import('./tfjs.ts')).openTfjsSession(source);
}
