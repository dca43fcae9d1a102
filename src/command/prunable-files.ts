import { lstat, readdir, readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, normalize, sep } from 'node:path';
import { z } from 'zod';

/** Whether a file of a package is needed to run Menagerie here. The path is relative to the package, with slashes. */
type IsNeeded = (path: string, main: string) => boolean;

/** A file that is not needed here, and its size. */
export interface PrunableFile {
  readonly path: string;
  readonly bytes: number;
}

const ALWAYS_NEEDED = /^(?:package\.json|(?:LICENSE|NOTICE)[^/]*)$/i;

/**
 * TensorFlow.js has each package four times, with and without a bundle, minified and not, and its maps, types and tests:
 * Node loads one bundle and the WebAssembly beside it.
 */
const isRunByNode: IsNeeded = (path, main) => path === main || /^dist\/[^/]+\.wasm$/.test(path);

const isNotForBare: IsNeeded = (path) => !path.startsWith('prebuilds/');

/** The packages of which much is not needed. Those that are not installed are passed over. */
const PACKAGES: Readonly<Record<string, IsNeeded>> = {
  // The libraries of all platforms.
  'onnxruntime-node': (path) => !path.startsWith('bin/') || path.includes(`/${process.platform}/${process.arch}/`),
  '@tensorflow/tfjs': isRunByNode,
  '@tensorflow/tfjs-backend-cpu': isRunByNode,
  '@tensorflow/tfjs-backend-wasm': isRunByNode,
  '@tensorflow/tfjs-backend-webgl': isRunByNode,
  '@tensorflow/tfjs-converter': isRunByNode,
  '@tensorflow/tfjs-core': isRunByNode,
  '@tensorflow/tfjs-data': isRunByNode,
  '@tensorflow/tfjs-layers': isRunByNode,
  'swagger-ui-dist': (path) => !/\.map$|^log\.|^swagger-ui(?:-es-bundle.*)?\.js/.test(path),
  zod: (path) => !path.startsWith('src/'),
  h5wasm: (path) => path.startsWith('dist/esm/'),
  'libheif-js': (path) => !path.startsWith('libheif/'),
  // npm 10 installs it everywhere. Every platform of ONNX Runtime has a native library of sharp.
  '@img/sharp-wasm32': () => false,
  // Native code for Bare, another JavaScript runtime.
  'bare-buffer': isNotForBare,
  'bare-fs': isNotForBare,
  'bare-path': isNotForBare,
  'bare-url': isNotForBare,
};

const packageSchema = z.object({ main: z.string().default('index.js') });

/** Finds the files of installed packages without which Menagerie runs on this machine. */
export async function findPrunableFiles(): Promise<PrunableFile[]> {
  const found = await Promise.all(
    Object.entries(PACKAGES).map(async ([name, isNeeded]) => {
      const folder = await folderOf(name);
      return folder === undefined ? [] : unneededFiles(folder, isNeeded);
    }),
  );
  return found.flat();
}

/** Where a package that Menagerie loads is installed; undefined where it is not. */
async function folderOf(name: string): Promise<string | undefined> {
  // Looked for by its folder: not every package lets its package.json be resolved. ONNX Runtime is beside this code.
  const candidates = createRequire(import.meta.url).resolve.paths(name) ?? [];
  for (const candidate of candidates) {
    const folder = join(candidate, name);
    if (await lstat(join(folder, 'package.json')).catch(() => undefined)) return folder;
  }
  return undefined;
}

async function unneededFiles(folder: string, isNeeded: IsNeeded): Promise<PrunableFile[]> {
  const { main } = packageSchema.parse(JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')));
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  const files = entries
    // Packages that are installed inside this one are others.
    .filter((entry) => entry.isFile() && !entry.parentPath.slice(folder.length).split(sep).includes('node_modules'))
    .map(({ parentPath, name }) => join(parentPath, name));
  const unneeded = files.filter((path) => {
    const inside = path.slice(folder.length + 1).replaceAll(sep, '/');
    return !ALWAYS_NEEDED.test(inside) && !isNeeded(inside, normalize(main).replaceAll(sep, '/'));
  });
  return Promise.all(unneeded.map(async (path) => ({ path, bytes: (await lstat(path)).size })));
}

/** The folders that a file of a package is in, which may be empty without it. */
export function foldersAbove(path: string): string[] {
  const folder = dirname(path);
  return folder.endsWith('node_modules') ? [] : [folder, ...foldersAbove(folder)];
}
