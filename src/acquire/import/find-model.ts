import { readdir, stat } from 'node:fs/promises';
import { basename, join, relative } from 'node:path';
import { unpackArchive } from './unpack.ts';

/** What a model can be made of, by the ending of its file's name. */
export const MODEL_KINDS = {
  '.safetensors': 'checkpoint',
  '.pth': 'checkpoint',
  '.pt': 'checkpoint',
  '.ckpt': 'checkpoint',
  '.pth.tar': 'checkpoint',
  'pytorch_model.bin': 'checkpoint',
  '.json': 'tfjs',
  '.js': 'tfjs',
  '.onnx': 'onnx',
} as const;
export type ModelKind = (typeof MODEL_KINDS)[keyof typeof MODEL_KINDS];

/** A file that a model can be made of. */
export interface ModelFile {
  readonly path: string;
  readonly kind: ModelKind;
}

const ARCHIVES = ['.zip', '.whl', '.tgz', '.tar.gz'];
/** Of the many scripts and tables in a folder, a TF.js model is the one that is called so. */
const TFJS_MODEL = /^model(\.min)?\.(json|js)$/;
/** Folders within folders that are looked through. */
const MAX_DEPTH = 6;

/**
 * Finds what is to be imported: a file, or the only model in a folder or an archive.
 *
 * @param inside where in the folder or archive it is, if there are several
 * @param work an empty folder, for what has to be unpacked
 * @throws Error that lists what there is
 */
export async function findModel(path: string, inside: string | undefined, work: string): Promise<ModelFile> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new Error(`there is no ${path}`);
  if (found.isDirectory()) return await findInFolder(path, inside);
  if (ARCHIVES.some((ending) => path.endsWith(ending))) {
    await unpackArchive(path, work);
    return await findInFolder(work, inside);
  }
  const kind = kindOf(path);
  if (kind === undefined) {
    const endings = [...Object.keys(MODEL_KINDS), ...ARCHIVES].join(', ');
    throw new Error(`${path} is of no kind that can be imported: ${endings}, or a folder`);
  }
  return { path, kind };
}

async function findInFolder(folder: string, inside: string | undefined): Promise<ModelFile> {
  const all = await modelsUnder(folder, 0);
  const models = inside === undefined ? all : all.filter(({ path }) => isWithin(relative(folder, path), inside));
  const [only] = models;
  if (only !== undefined && models.length === 1) return only;
  const listed = (models.length === 0 ? all : models).map(({ path }) => relative(folder, path)).join(', ');
  const where = inside === undefined ? 'it' : inside;
  if (models.length === 0)
    throw new Error(`there is no model in ${where}${listed === '' ? '' : `; there is ${listed}`}`);
  throw new Error(`there are several models in ${where}: say with --inside which of ${listed}`);
}

function isWithin(path: string, inside: string): boolean {
  const wanted = inside.replace(/\/+$/, '');
  return (
    path === wanted ||
    path.startsWith(`${wanted}/`) ||
    path === `package/${wanted}` ||
    path.startsWith(`package/${wanted}/`)
  );
}

async function modelsUnder(folder: string, depth: number): Promise<ModelFile[]> {
  if (depth > MAX_DEPTH) return [];
  const entries = await readdir(folder, { withFileTypes: true });
  const found = await Promise.all(
    entries.map(async (entry): Promise<ModelFile[]> => {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) return await modelsUnder(path, depth + 1);
      const kind = entry.isFile() ? kindOf(path) : undefined;
      return kind === undefined || (kind === 'tfjs' && !TFJS_MODEL.test(entry.name)) ? [] : [{ path, kind }];
    }),
  );
  return found.flat().sort((a, b) => (a.path < b.path ? -1 : 1));
}

function kindOf(path: string): ModelKind | undefined {
  const name = basename(path).toLowerCase();
  return Object.entries(MODEL_KINDS).find(([ending]) => name.endsWith(ending))?.[1];
}
