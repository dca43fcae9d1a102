import { createReadStream, type ReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { PassThrough, pipeline, type Readable } from 'node:stream';
import { ZipFile } from 'yazl';
import { AppError } from '../../common/errors.ts';
import type { JsonObject } from '../../common/json.ts';
import type { ModelVersion } from '../../registry/registry.ts';
import { type ConvertedModel, onnxOnly, requireFormat } from '../../serving/conversion.ts';
import type { ExportFormat } from './export-format.ts';
import { exportReadme } from './export-readme.ts';
import type { QuantizedModel } from './tfjs-quantization.ts';

/** A zip that is made while it is read. */
export interface ModelExport {
  /** `name-version-format.zip`, of letters, digits, `_`, `-` and dots. */
  readonly filename: string;
  /** Destroying it gives back the files. */
  readonly zip: Readable;
}

/** An entry of the zip: a text, or a file of this machine. */
interface ExportedFile {
  readonly name: string;
  readonly content: { readonly text: string } | { readonly path: string; readonly size: number };
}

/** What is to be taken away. */
export interface ExportRequest {
  readonly format: ExportFormat;
  /** The TF.js model in place of the converted one, its kernels stored in fewer bytes. */
  readonly quantized?: QuantizedModel | undefined;
}

/**
 * Packs a model with its classes, its card and a note on how to run it.
 * @param card as the API has it
 * @throws AppError `model_unavailable` when a file of the model is gone
 */
export async function exportModel(
  model: ModelVersion,
  converted: ConvertedModel,
  card: JsonObject,
  { format, quantized }: ExportRequest,
): Promise<ModelExport> {
  const { name, version, manifest } = model;
  const { labels } = manifest;
  const classes = labels.map(({ label, synset }, index) => ({ index, label, synset }));
  const files: ExportedFile[] = [
    textFile('README.txt', exportReadme(model, format, quantized?.parity)),
    jsonFile('card.json', quantized === undefined ? card : { ...card, quantization: quantized.parity }),
    jsonFile('labels.json', classes),
    // A line break inside a label would shift every line behind it.
    textFile('labels.txt', labels.map(({ label }) => `${label.replaceAll(/[\r\n]+/g, ' ')}\n`).join('')),
    ...(await modelFiles(model, converted, { format, quantized })),
  ];
  const kind = quantized === undefined ? format : `${format}-${quantized.parity.weights}`;
  return { filename: `${name}-${version}-${kind}.zip`, zip: zipOf(files) };
}

async function modelFiles(
  { name, manifest: { file }, weightsPath }: ModelVersion,
  converted: ConvertedModel,
  { format, quantized }: ExportRequest,
): Promise<ExportedFile[]> {
  if (format === 'safetensors' && file.weights.format === 'onnx') throw onnxOnly(name, format);
  const { files } = quantized ?? requireFormat({ name }, converted, format === 'tfjs' ? 'tfjs' : 'onnx');
  const { architecture, input_size, mean, std, num_classes, num_features } = file;
  try {
    switch (format) {
      case 'onnx':
      case 'tfjs':
        // The file that refers to the others comes first: a reader of the stream knows what they are.
        return await Promise.all(files.map(({ path }) => diskFile(basename(path), path)));
      case 'safetensors':
        return [
          await diskFile('model.safetensors', weightsPath),
          jsonFile('architecture.json', { architecture, input_size, mean, std, num_classes, num_features }),
        ];
    }
  } catch (thrown) {
    throw new AppError('model_unavailable', `a file of model "${name}" cannot be read`, { cause: thrown });
  }
}

async function diskFile(name: string, path: string): Promise<ExportedFile> {
  const { size } = await stat(path);
  return { name, content: { path, size } };
}

function textFile(name: string, text: string): ExportedFile {
  return { name, content: { text } };
}

function jsonFile(name: string, value: unknown): ExportedFile {
  return textFile(name, `${JSON.stringify(value, null, 2)}\n`);
}

/** Weights hardly shrink, so that everything is stored as it is: the network is the limit, not the processor. */
function zipOf(files: readonly ExportedFile[]): Readable {
  const zip = new ZipFile();
  const output = new PassThrough();
  let open: ReadStream | undefined;
  for (const { name, content } of files) {
    if ('text' in content) {
      zip.addBuffer(Buffer.from(content.text), name, { compress: false });
      continue;
    }
    zip.addReadStreamLazy(name, { compress: false, size: content.size }, (give) => {
      open = createReadStream(content.path);
      open.once('error', (error) => output.destroy(error));
      give(null, open);
    });
  }
  zip.on('error', (error: Error) => output.destroy(error));
  pipeline(zip.outputStream, output, () => open?.destroy());
  zip.end();
  return output;
}
