import { cpSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { onnxRuntimeMissing } from '../../src/runtime/onnx-runtime.ts';

describe('ONNX Runtime that cannot be loaded', () => {
  const folder = mkdtempSync(join(tmpdir(), 'onnx-runtime-'));
  const thrown = loadWithoutLibraries(folder);
  afterAll(() => rmSync(folder, { recursive: true }));

  it('is missing files: the error says which command brings them back', () => {
    expect(onnxRuntimeMissing(thrown, 'linux x64', false).message).toMatch(
      /^ONNX Runtime cannot be loaded on linux x64\. Files of it are missing, and "npm ci" brings them back\. \(Cannot find module '[^']+onnxruntime_binding\.node'\)$/,
    );
    expect(onnxRuntimeMissing(thrown, 'linux x64', true).message).toContain('"npm ci --include=dev && npm run build"');
  });

  it('does not exist for the system: the error says for which it does', () => {
    expect(onnxRuntimeMissing(thrown, 'darwin x64', false).message).toContain(
      'cannot be loaded on darwin x64. It exists for Linux with glibc and for Windows, on x64 and arm64, and for macOS on arm64.',
    );
  });

  it('was made for another C library: the error says so', () => {
    const library = 'Error loading shared library ld-linux-x86-64.so.2: No such file or directory';
    const failed = Object.assign(new Error(library), { code: 'ERR_DLOPEN_FAILED' });
    expect(onnxRuntimeMissing(failed, 'linux x64', false).message).toBe(
      `ONNX Runtime cannot be loaded on linux x64. On Linux it needs glibc and libstdc++, as in images of Debian and Ubuntu; Alpine has another C library. (${library})`,
    );
  });
});

/** What Node.js throws when the package is there without its libraries. */
function loadWithoutLibraries(folder: string): unknown {
  const runtime = 'node_modules/onnxruntime-node';
  const common = 'node_modules/onnxruntime-common';
  cpSync(join(runtime, 'dist'), join(folder, runtime, 'dist'), { recursive: true });
  cpSync(join(runtime, 'package.json'), join(folder, runtime, 'package.json'));
  symlinkSync(resolve(common), join(folder, common));
  try {
    return createRequire(join(folder, 'index.js'))('onnxruntime-node');
  } catch (thrown) {
    return thrown;
  }
}
