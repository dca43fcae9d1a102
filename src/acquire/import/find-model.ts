import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { sniffKind } from '../../common/file-kind.ts';
import { layersIn } from '../../convert/formats/keras-file/separate-layers.ts';
import { ARCHIVE_ENDINGS, unpackArchive } from '../../download/unpack-archive.ts';
import { startsLikeImage } from '../../image/formats.ts';
import { kindByBytes, kindByName, MODEL_KINDS, type ModelKind, startOf } from './model-kinds.ts';
import { describeFile, describeFolder } from './other-formats.ts';

/** A file that can be imported. */
export interface ModelFile {
  readonly path: string;
  readonly kind: ModelKind;
}

const ARCHIVE_ENDING = new RegExp(`(?:${ARCHIVE_ENDINGS.join('|').replaceAll('.', '\\.')})$`, 'i');
/** The name of a TF.js model in a folder, which may hold other scripts and JSON files. */
const TFJS_MODEL = /^model(\.min)?\.(json|js)$/i;
/** How deep folders are searched. */
const MAX_DEPTH = 6;

/**
 * Finds the file to import: `path` itself, or the only model in a folder or an archive.
 *
 * @param inside the path of the model in the folder or archive, when there are several
 * @param work an empty folder, to unpack an archive into
 * @throws Error that lists the models found
 */
export async function findModel(path: string, inside: string | undefined, work: string): Promise<ModelFile> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw new Error(`${path} does not exist`);
  if (found.isDirectory()) return await importable(await findInFolder(path, inside, path));
  const [byBytes, byName] = [await kindByBytes(path), kindByName(path)];
  if (byBytes === 'archive' || (byBytes === undefined && byName === undefined && ARCHIVE_ENDING.test(path))) {
    await unpackArchive(path, work);
    return await importable(await findInFolder(work, inside, basename(path)));
  }
  // Other files may begin like an ONNX file.
  const kind = byBytes === 'onnx' ? (byName ?? byBytes) : (byBytes ?? byName);
  if (kind === 'tfjs' && (await layersIn(path)) !== undefined) return await importable(await weightsBeside(path));
  if (kind !== undefined) return await importable({ path, kind });
  const endings = [...Object.keys(MODEL_KINDS), ...ARCHIVE_ENDINGS].join(', ');
  throw new Error(
    (await describeFile(path)) ??
      `${path} cannot be imported: ${await wordsOf(path)}give a folder, or a file of the kind ${endings}`,
  );
}

/** What a file is that is no model, as the beginning of a remedy. */
async function wordsOf(path: string): Promise<string> {
  const start = Buffer.from(await startOf(path), 'latin1');
  const words = startsLikeImage(start) ? 'an image' : sniffKind(start)?.words;
  return words === undefined ? '' : `it is ${words}; `;
}

/** The same file, unless its bytes are those of something else, such as a pointer of Git LFS. */
async function importable(file: ModelFile): Promise<ModelFile> {
  const answer = await describeFile(file.path);
  if (answer !== undefined) throw new Error(answer);
  return file;
}

/** The weights of layers that are in a JSON file of Keras. */
async function weightsBeside(path: string): Promise<ModelFile> {
  const folder = dirname(path);
  const names = (await readdir(folder)).filter((name) => /\.(?:h5|hdf5)$/i.test(name));
  const [only] = names;
  if (only !== undefined && names.length === 1) return { path: join(folder, only), kind: 'keras' };
  throw new Error(
    `${path} has the layers of a Keras model without their weights; ` +
      (only === undefined
        ? 'put the .h5 file of model.save_weights() beside it'
        : `import the file of the weights: ${names.sort().join(' or ')}`),
  );
}

/** @param name how errors call the folder */
async function findInFolder(folder: string, inside: string | undefined, name: string): Promise<ModelFile> {
  const all = await modelsUnder(folder, 0);
  const models = inside === undefined ? all : all.filter(({ path }) => isWithin(relative(folder, path), inside));
  const [only] = models;
  if (only !== undefined && models.length === 1) return only;
  const listed = (models.length === 0 ? all : models).map(({ path }) => relative(folder, path)).join(', ');
  const where = inside ?? name;
  if (models.length > 1) throw new Error(`${where} holds several models; choose one with --inside: ${listed}`);
  const answer = all.length === 0 ? await describeFolder(folder) : undefined;
  if (answer !== undefined) throw new Error(answer.replaceAll(folder, name.replace(ARCHIVE_ENDING, '')));
  throw new Error(`${where} holds no model${listed === '' ? '' : `; the models here are ${listed}`}`);
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
      const kind = entry.isFile() ? kindByName(path) : undefined;
      if (kind === undefined) return [];
      const isModel = kind !== 'tfjs' || (TFJS_MODEL.test(entry.name) && (await layersIn(path)) === undefined);
      return isModel ? [{ path, kind }] : [];
    }),
  );
  return found.flat().sort((a, b) => (a.path < b.path ? -1 : 1));
}
