import { createRequire } from 'node:module';
import type * as OnnxRuntime from 'onnxruntime-node';
import { isCheckout } from '../common/package-files.ts';

/** For which systems ONNX Runtime has libraries, by `process.platform` and `process.arch`. */
const SYSTEMS = ['linux x64', 'linux arm64', 'darwin arm64', 'win32 x64', 'win32 arm64'];

/** ONNX Runtime. The package has it in `dist/node_modules`, which is looked in first; elsewhere it is that of `npm ci`. */
export const onnxRuntime = load();

/** Not a static import: where the native library cannot be loaded, that would say neither why nor what to do. */
function load(): typeof OnnxRuntime {
  // Version 1.30 otherwise writes an identifier of the machine into the user's folder for caches, and reports its use to
  // its maker. It reads the variable when the first session is created.
  process.env['ORT_DISABLE_TELEMETRY'] ??= '1';
  try {
    return createRequire(import.meta.url)('onnxruntime-node') as typeof OnnxRuntime;
  } catch (thrown) {
    throw onnxRuntimeMissing(thrown, `${process.platform} ${process.arch}`, isCheckout());
  }
}

/** What went wrong when ONNX Runtime was loaded, and what to do about it. */
export function onnxRuntimeMissing(thrown: unknown, system: string, checkout: boolean): Error {
  const { message, code }: NodeJS.ErrnoException = thrown instanceof Error ? thrown : new Error(String(thrown));
  const again = checkout ? 'npm ci --include=dev && npm run build' : 'npm ci';
  const advice = !SYSTEMS.includes(system)
    ? 'It exists for Linux with glibc and for Windows, on x64 and arm64, and for macOS on arm64'
    : code === 'ERR_DLOPEN_FAILED'
      ? 'On Linux it needs glibc and libstdc++, as in images of Debian and Ubuntu; Alpine has another C library'
      : `Files of it are missing, and "${again}" brings them back`;
  // The lines after the first one are the files that have asked for it.
  return new Error(`ONNX Runtime cannot be loaded on ${system}. ${advice}. (${message.split('\n')[0]})`, {
    cause: thrown,
  });
}
