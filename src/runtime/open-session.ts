import { verifyFiles } from '../common/file-digest.ts';
import type { Session, SessionSource } from './session.ts';

/**
 * Loads a converted model. The library of a runtime is loaded on first use: a process that does not need it saves the
 * memory.
 * @throws DamagedFileError when one of `source.files` has another digest; Error when the files are no model
 */
export async function openSession(source: SessionSource): Promise<Session> {
  await verifyFiles(source.files ?? []);
  if (source.runtime === 'onnx') return (await import('./onnx.ts')).openOnnxSession(source);
  return (await import('./tfjs.ts')).openTfjsSession(source);
}
