import { createReadStream, type ReadStream } from 'node:fs';
import { PassThrough, pipeline, type Readable, Transform } from 'node:stream';
import { ZipFile } from 'yazl';
import { AppError } from '../../common/errors.ts';
import type { JsonObject } from '../../common/json.ts';
import { asStorageError } from '../../common/storage-error.ts';
import {
  type ExportedFile,
  type ExportFormat,
  type ExportSource,
  exportDefinition,
  jsonFile,
  textFile,
} from './export-format.ts';
import { exportReadme } from './export-readme.ts';

/** A zip that is made while it is read. */
export interface ModelExport {
  /** `name-version-format.zip`, made of letters, digits, `_`, `-` and dots. */
  readonly filename: string;
  /** Closes the files of the model when it ends or is destroyed. */
  readonly zip: Readable;
}

/**
 * Packs a version with its classes, its card and instructions.
 * @param card as in `GET /models/{id}`
 * @throws AppError `format_unavailable`; `model_unavailable` when a file of the model is missing
 */
export async function exportModel(source: ExportSource, format: ExportFormat, card: JsonObject): Promise<ModelExport> {
  const { model, quantized, variant = 'float32' } = source;
  const { name, version, manifest } = model;
  const classes = manifest.labels.map(({ label, synset }, index) => ({ index, label, synset }));
  const folder = exportDefinition(format).folder?.(source);
  const at = (file: string) => (folder === undefined ? file : `${folder}/${file}`);
  const files: ExportedFile[] = [
    textFile(at('README.txt'), exportReadme(model, format, quantized?.parity)),
    jsonFile(at('card.json'), quantized === undefined ? card : { ...card, quantization: quantized.parity }),
    jsonFile(at('labels.json'), classes),
    // A line break inside a label would shift all lines after it.
    textFile(at('labels.txt'), classes.map(({ label }) => `${label.replaceAll(/[\r\n]+/g, ' ')}\n`).join('')),
    ...(await modelFiles(source, format)),
  ];
  const stored = quantized?.parity.weights ?? variant;
  const kind = stored === 'float32' ? format : `${format}-${stored}`;
  return { filename: `${name}-${version}-${kind}.zip`, zip: zipOf(files) };
}

async function modelFiles(source: ExportSource, format: ExportFormat): Promise<ExportedFile[]> {
  try {
    return await exportDefinition(format).files(source);
  } catch (thrown) {
    if (thrown instanceof AppError) throw thrown;
    const reason = `a file of model "${source.model.name}" cannot be read`;
    throw asStorageError(thrown) ?? new AppError('model_unavailable', reason, { cause: thrown });
  }
}

/** Passes bytes through, and `tail` after them. */
function followedBy(tail: Uint8Array): Transform {
  return new Transform({
    transform: (piece, _encoding, done) => done(null, piece),
    flush: (done) => done(null, tail),
  });
}

/** Stores without compression: weights hardly shrink, and the network is slower than the disk. */
function zipOf(files: readonly ExportedFile[]): Readable {
  const zip = new ZipFile();
  const output = new PassThrough();
  let open: ReadStream | undefined;
  for (const { name, content } of files) {
    if ('text' in content) {
      zip.addBuffer(Buffer.from(content.text), name, { compress: false });
      continue;
    }
    const { path, size, tail = new Uint8Array() } = content;
    zip.addReadStreamLazy(name, { compress: false, size: size + tail.length }, (give) => {
      open = createReadStream(path);
      open.once('error', (error) => output.destroy(error));
      give(null, tail.length === 0 ? open : open.pipe(followedBy(tail)));
    });
  }
  zip.on('error', (error: Error) => output.destroy(error));
  pipeline(zip.outputStream, output, () => open?.destroy());
  zip.end();
  return output;
}
