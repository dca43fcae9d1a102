import { readFile, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { messageOf } from '../../../common/errors.ts';
import { ConversionError } from '../../conversion-error.ts';
import { type ByteSource, bufferSource, openFile } from '../byte-source.ts';
import { moduleLiteral } from './module-literal.ts';

/** The files of a TF.js layers model. */
export interface TfjsFiles {
  /** `model.json`, parsed. */
  readonly model: unknown;
  /** Opens a shard by its path in the manifest. */
  openShard(path: string): Promise<ByteSource>;
}

/** The topology of a thousand layers has a few megabytes; a shard has 4 MiB as a rule. */
const MAX_TEXT_BYTES = 64_000_000;
/** File name extensions of shards that are modules. */
const MODULE_ENDINGS = ['.min.js', '.js'];

/**
 * Opens a model: `model.json` with its shards beside it, as TF.js saves it, or JavaScript modules with the same
 * content (`model.js`, and shards in base64), as in npm packages. No module is executed.
 *
 * @throws ConversionError when it is neither
 */
export async function openTfjsFiles(modelPath: string): Promise<TfjsFiles> {
  const folder = dirname(modelPath);
  const text = await readText(modelPath);
  if (modelPath.endsWith('.js')) {
    return {
      model: moduleLiteral(text, modelPath),
      openShard: async (path) => {
        const shardPath = await firstExisting(MODULE_ENDINGS.map((ending) => join(folder, safe(path) + ending)));
        const literal = moduleLiteral(await readText(shardPath), shardPath);
        if (typeof literal !== 'string')
          throw new ConversionError(`the module of shard "${path}" does not export a base64 text`);
        return bufferSource(Buffer.from(literal, 'base64'));
      },
    };
  }
  return { model: parseJson(text, modelPath), openShard: (path) => fileOnDemand(join(folder, safe(path))) };
}

async function readText(path: string): Promise<string> {
  const { size } = await stat(path);
  if (size > MAX_TEXT_BYTES) {
    throw new ConversionError(`${path} has ${size} bytes; at most ${MAX_TEXT_BYTES} are allowed`);
  }
  return await readFile(path, 'utf8');
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ConversionError(`${path} is not JSON: ${messageOf(cause)}`, { cause });
  }
}

/** Opens the file for each read: a model may have more shards than a process may have open files. */
async function fileOnDemand(path: string): Promise<ByteSource> {
  const found = await stat(path).catch(() => undefined);
  if (found === undefined) throw missing(path);
  return {
    size: found.size,
    read: async (begin, end) => {
      const file = await openFile(path);
      try {
        return await file.read(begin, end);
      } finally {
        await file.close();
      }
    },
    close: async () => {},
  };
}

async function firstExisting(paths: readonly string[]): Promise<string> {
  for (const path of paths) if ((await stat(path).catch(() => undefined)) !== undefined) return path;
  throw missing(paths[0] ?? '');
}

function missing(path: string): ConversionError {
  return new ConversionError(`the shard ${path} is missing beside the model`);
}

/** Checks that a path of the manifest is inside the folder of the model. */
function safe(path: string): string {
  const inside = path.split('/').every((part) => /^[\w.@+=-]+$/.test(part) && part !== '..');
  if (inside) return path;
  throw new ConversionError(`the path of shard "${path}" leads out of the folder of the model`);
}
