import { open } from 'node:fs/promises';
import { basename } from 'node:path';
import { fileBytes, openZip } from '../../common/open-zip.ts';

/** The kinds of files that can be imported, by the ending of their name. */
export const MODEL_KINDS = {
  '.safetensors': 'checkpoint',
  '.pth': 'checkpoint',
  '.pt': 'checkpoint',
  '.ckpt': 'checkpoint',
  '.pth.tar': 'checkpoint',
  'pytorch_model.bin': 'checkpoint',
  '.keras': 'keras',
  '.h5': 'keras',
  '.hdf5': 'keras',
  '.json': 'tfjs',
  '.js': 'tfjs',
  '.onnx': 'onnx',
} as const;
export type ModelKind = (typeof MODEL_KINDS)[keyof typeof MODEL_KINDS];

/** After the version of the format, an ONNX file has the name of the program that wrote it, or a later field. */
const ONNX_FIELDS = '\x12\x1a\x22\x3a\x42';

/** The kind that the name of a file tells, if it does. */
export function kindByName(path: string): ModelKind | undefined {
  const name = basename(path).toLowerCase();
  return Object.entries(MODEL_KINDS).find(([ending]) => name.endsWith(ending))?.[1];
}

/**
 * The kind that the bytes of a file tell, if they do. Checkpoints of PyTorch and models of Keras are zips, as are archives
 * of models.
 */
export async function kindByBytes(path: string): Promise<ModelKind | 'archive' | undefined> {
  const start = await startOf(path);
  if (start.startsWith('PK')) return await kindOfZip(path);
  if (start.startsWith('\x89HDF\r\n')) return 'keras';
  if (start.startsWith('\x1f\x8b') || start.slice(257, 262) === 'ustar') return 'archive';
  if (/^\s*\{/.test(start) && /"(?:modelTopology|weightsManifest)"/.test(start)) return 'tfjs';
  const [first = 0, second = 0] = Buffer.from(start, 'latin1');
  // A pickle of protocol 2 to 5; or safetensors: the length of its header, then JSON.
  if ((first === 0x80 && second >= 2 && second <= 5) || start.slice(4, 9) === '\0\0\0\0{') return 'checkpoint';
  return first === 8 && ONNX_FIELDS.includes(start.charAt(2)) ? 'onnx' : undefined;
}

/** By the names of its files; undefined when it is damaged, so that its reader says how. */
async function kindOfZip(path: string): Promise<ModelKind | 'archive' | undefined> {
  const handle = await open(path);
  try {
    const zip = await openZip(await fileBytes(handle), { autoClose: false });
    const names: string[] = [];
    for await (const { fileName } of zip.eachEntry()) names.push(fileName);
    if (names.includes('model.weights.h5')) return 'keras';
    return names.some((name) => /^(?:[^/]+\/)?data\.pkl$/.test(name)) ? 'checkpoint' : 'archive';
  } catch {
    return undefined;
  } finally {
    await handle.close();
  }
}

/** The longest start that tells a format. */
const START_BYTES = 512;

/** The first bytes of a file, each as a character. */
export async function startOf(path: string): Promise<string> {
  const handle = await open(path);
  try {
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0);
    return buffer.toString('latin1', 0, bytesRead);
  } finally {
    await handle.close();
  }
}
