// Puts ONNX Runtime into dist/node_modules, where the compiled code finds it first, and with which it is packed. A package
// that depends on onnxruntime-node cannot be installed everywhere: its install script, which npm 10 and 11 run, downloads
// libraries for graphics cards and fails where their host cannot be reached.
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';

const LICENSE = 'scripts/onnx-runtime-license.txt';
/**
 * What runs on a CPU, for every platform. Left out are the libraries that onnxruntime.dll loads only for DirectML and WebGPU,
 * those that the install script downloads, and the second copy of the library for macOS: the binding asks for
 * libonnxruntime.1.dylib.
 */
const NEEDED =
  /^(?:dist\/.+(?:\.js|\.d\.ts|\/package\.json)|bin\/.+\/(?:onnxruntime_binding\.node|onnxruntime\.dll|libonnxruntime\.(?:so\.1|1\.dylib)))$/;

/** What is built, as in build.mjs. */
export const ONNX_RUNTIME = {
  sources: ['scripts/onnx-runtime.mjs', LICENSE, 'package-lock.json'],
  made: 'dist/node_modules/onnxruntime-node/package.json',
};

/** Whether there is something to take it from: an installation for production has none. */
export function canBundleOnnxRuntime(root) {
  return existsSync(join(root, 'node_modules/onnxruntime-node/package.json'));
}

/** Makes it anew. Files are linked, since they are large, or copied where that cannot be. */
export function bundleOnnxRuntime(root) {
  rmSync(join(root, 'dist/node_modules'), { recursive: true, force: true });
  for (const name of ['onnxruntime-common', 'onnxruntime-node']) {
    const from = join(root, 'node_modules', name);
    const to = join(root, 'dist/node_modules', name);
    const entries = readdirSync(from, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const paths = entries.map((entry) => join(entry.parentPath, entry.name).slice(from.length + 1));
    for (const path of paths.filter((path) => NEEDED.test(path.replaceAll('\\', '/')))) {
      mkdirSync(dirname(join(to, path)), { recursive: true });
      linkOrCopy(join(from, path), join(to, path));
    }
    copyFileSync(join(root, LICENSE), join(to, 'LICENSE'));
    const { scripts, devDependencies, dependencies, ...manifest } = JSON.parse(
      readFileSync(join(from, 'package.json')),
    );
    writeFileSync(join(to, 'package.json'), `${JSON.stringify(manifest, null, 2)}\n`);
  }
}

function linkOrCopy(from, to) {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}
