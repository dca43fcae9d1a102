import { readdir } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { startOf } from './model-kinds.ts';

/** What a file or folder that cannot be imported is, and the command that makes it importable. */
type Answer = (path: string) => string;

const tf2onnx = (what: string, option: string): Answer => {
  return (path) =>
    `${path} is ${what}. Run\n  python -m tf2onnx.convert ${option} ${path} --output model.onnx\n${IMPORT}`;
};
const IMPORT = 'and import model.onnx';
const savedModel = tf2onnx('a TensorFlow SavedModel', '--saved-model');
const tflite = tf2onnx('a TensorFlow Lite model', '--tflite');
const frozenGraph = tf2onnx('a frozen graph of TensorFlow', '--inputs input:0 --outputs output:0 --graphdef');
const coreMl: Answer = (path) =>
  `${path} is a Core ML model, which cannot be converted back. Export the network that it was made from, in PyTorch:\n` +
  `  torch.onnx.export(model, torch.zeros(1, 3, 224, 224), "model.onnx")\n${IMPORT}`;
const lfsPointer: Answer = (path) =>
  `${path} is a pointer of Git LFS, not the file itself. Run\n` +
  `  git -C ${dirname(path)} lfs pull --include ${basename(path)}\nand import it again`;
const webPage: Answer = (path) =>
  `${path} is a web page, not a model. Download the file itself, by an address with /resolve/ (Hugging Face) or /raw/ ` +
  '(GitHub):\n  curl -LO <address>\nand import that';
const tfCheckpoint: Answer = (path) =>
  `${path} is a part of a checkpoint of TensorFlow, which has only weights. Build the model in Python, and run\n` +
  '  model.load_weights(checkpoint); model.save("model.keras")\nand import model.keras';

const TF_CHECKPOINT = /\.(?:index|meta|data-\d{5}-of-\d{5})$/;
const LFS_POINTER = 'version https://git-lfs.github.com/spec/';
const CORE_ML = /\.ml(?:model|modelc|package)$/i;
/** How deep folders are searched. */
const MAX_DEPTH = 3;

/** Says what a file is that is no model of a supported kind; undefined when it is not known. */
export async function describeFile(path: string): Promise<string | undefined> {
  const start = await startOf(path);
  if (start.startsWith(LFS_POINTER)) return lfsPointer(path);
  if (/^\s*<(?:!doctype html|html)/i.test(start)) return webPage(path);
  if (start.slice(4, 8) === 'TFL3') return tflite(path);
  if (basename(path) === 'saved_model.pb') return savedModel(dirname(path));
  if (path.endsWith('.pb')) return frozenGraph(path);
  if (CORE_ML.test(path)) return coreMl(path);
  if (TF_CHECKPOINT.test(path) || start.startsWith('model_checkpoint_path:')) return tfCheckpoint(path);
  return undefined;
}

/** Says what a folder holds that is no model of a supported kind; undefined when nothing in it is known. */
export async function describeFolder(path: string, depth = 0): Promise<string | undefined> {
  const entries = await readdir(path, { withFileTypes: true });
  const names = entries.map(({ name }) => name);
  if (names.includes('saved_model.pb')) return savedModel(path);
  if (CORE_ML.test(path) && names.some((name) => ['Manifest.json', 'coremldata.bin'].includes(name)))
    return coreMl(path);
  for (const entry of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    const inner = join(path, entry.name);
    const isSearched = entry.isDirectory() && depth < MAX_DEPTH;
    const answer = isSearched ? await describeFolder(inner, depth + 1) : entry.isFile() && (await describeFile(inner));
    if (answer) return answer;
  }
  return undefined;
}
