import { readFile, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { packageFile } from '../../common/package-files.ts';
import type { WeightStorage } from '../../convert/formats/tfjs/weights.ts';
import { toProperties } from '../../registry/model-properties.ts';
import type { ModelVersion, Variant } from '../../registry/registry.ts';
import { type ConvertedModel, onnxOnly, requireFormat } from '../../serving/conversion-cache.ts';
import type { QuantizedModel } from './tfjs-quantization.ts';
import { tritonConfig, tritonNameOf } from './triton-config.ts';

/** A file of an export: a text, or a file of this machine of `size` bytes and what follows them. */
export interface ExportedFile {
  readonly name: string;
  readonly content:
    | { readonly text: string }
    | { readonly path: string; readonly size: number; readonly tail?: Uint8Array };
}

/** A version to export. */
export interface ExportSource {
  readonly model: ModelVersion;
  readonly converted: ConvertedModel;
  /** Version of this project, which ONNX models name. */
  readonly producerVersion: string;
  /** float32 when absent. */
  readonly variant?: Variant;
  /** The TF.js model with quantized weights, instead of the converted one. */
  readonly quantized?: QuantizedModel | undefined;
}

/** Everything about one format of exports. */
interface FormatDefinition {
  /** Instructions for `README.txt`. @param batchShape the shape of one image, such as `[1, 224, 224, 3]` */
  readonly howToRun: (batchShape: string) => string;
  /** Whether the files hold the whole network, from pixels to probabilities, or only the weights of its layers. */
  readonly holds: 'network' | 'weights';
  /** The folder of all files but those of `files`, where it is not that of the zip. */
  readonly folder?: (source: ExportSource) => string;
  /** The files of the model. @throws AppError `format_unavailable` when it is not available in the format */
  readonly files: (source: ExportSource) => Promise<ExportedFile[]>;
}

/** The formats in which models can be exported, by the name that clients give. `openapi.yaml` lists the same names. */
const FORMATS = {
  onnx: {
    howToRun: (batchShape) => `model.onnx runs in any ONNX Runtime:

  const session = await ort.InferenceSession.create('model.onnx');
  const pixels = new ort.Tensor('uint8', bytes, ${batchShape});
  const { probabilities } = await session.run({ pixels }, ['probabilities']);
`,
    holds: 'network',
    files: onnxFiles,
  },
  tfjs: {
    howToRun: (batchShape) => `model.json and its shards are a layers model of TensorFlow.js:

  const model = await tf.loadLayersModel('model.json');
  const outputs = model.predict(tf.tensor(bytes, ${batchShape}, 'float32'));
  const probabilities = outputs[model.outputNames.indexOf('probabilities')];
`,
    holds: 'network',
    files: ({ model, converted, quantized }) => diskFiles((quantized ?? requireFormat(model, converted, 'tfjs')).files),
  },
  safetensors: {
    howToRun: (
      batchShape,
    ) => `model.safetensors holds the weights under the names of the checkpoint, for use in any framework;
architecture.json describes their network, and network.json layer by layer. model.py computes it in PyTorch:

  pip install torch safetensors pillow
  python model.py photo.jpg

  from model import Classifier, read_pixels
  logits = Classifier().eval()(read_pixels('photo.jpg'))    # of pixels ${batchShape}
`,
    holds: 'weights',
    files: async ({ model }) => {
      const { name, manifest } = model;
      const { weights, architecture, input_size, mean, std, num_classes, num_features } = manifest.file;
      if (weights.format === 'onnx') throw onnxOnly(name, 'safetensors');
      const {
        inputSize,
        resizeMode,
        padColor = [0, 0, 0],
        cropPct,
        interpolation,
        icc = 'ignore',
      } = manifest.preprocessing;
      const { describeNetwork } = await import('../../convert/describe-network.ts');
      const { weightsPath } = await model.files();
      const network = await describeNetwork({
        weightsPath,
        architecture,
        inputSize,
        mean,
        std,
        numClasses: num_classes,
      });
      return [
        await diskFile('model.safetensors', weightsPath),
        jsonFile('architecture.json', { architecture, input_size, mean, std, num_classes, num_features }),
        jsonFile('network.json', {
          preprocessing: {
            input_size: inputSize,
            resize_mode: resizeMode,
            pad_color: padColor,
            crop_pct: cropPct,
            interpolation,
            icc,
          },
          ...network,
        }),
        textFile('model.py', await readFile(packageFile('zoo', 'torch-model.py'), 'utf8')),
      ];
    },
  },
  triton: {
    howToRun: (batchShape) => `The zip is a model repository of Triton; unpack the zips of other models beside it:

  tritonserver --model-repository=.

All versions of a model share config.pbtxt and labels.txt, those of the zip that was unpacked last ("unzip -o"). So the
inputs and outputs of all must have the same names and sizes, and the classes the same order; Triton loads none of them
when one does not fit. Remove the folder of the model before you unpack a version with other classes or another backbone.

Menagerie sends its batches there with ENGINE=triton://host:8001. A client of Triton gives "pixels" as UINT8
${batchShape} and asks for the outputs that it wants.
`,
    holds: 'network',
    folder: tritonNameOf,
    files: async (source) => {
      const folder = tritonNameOf(source);
      const files = await onnxFiles(source);
      return [
        textFile(`${folder}/config.pbtxt`, tritonConfig(source)),
        ...files.map(({ name, content }) => ({ name: `${folder}/${source.model.version}/${name}`, content })),
      ];
    },
  },
} as const satisfies Record<string, FormatDefinition>;

/** `model.onnx` with facts about the model in it, and the file of its weights where that is separate. */
async function onnxFiles({ model, converted, producerVersion }: ExportSource): Promise<ExportedFile[]> {
  const [file, ...data] = await diskFiles(requireFormat(model, converted, 'onnx').files);
  if (file === undefined || 'text' in file.content) throw new Error(`model "${model.name}" has no ONNX file`);
  const { file: manifest, labels } = model.manifest;
  const { modelTail } = await import('../../convert/formats/onnx/proto.ts');
  const tail = modelTail(producerVersion, toProperties(manifest, labels));
  return [{ ...file, content: { ...file.content, tail } }, ...data];
}

/** Name of a format in which models can be exported. */
export type ExportFormat = keyof typeof FORMATS;

export const EXPORT_FORMATS = Object.keys(FORMATS) as ExportFormat[];

export function exportDefinition(format: ExportFormat): FormatDefinition {
  return FORMATS[format];
}

/** Options of an export. */
export interface ExportOptions {
  readonly format: ExportFormat;
  /** Element type of the stored kernels; always float32 except for `tfjs`. TensorFlow.js computes in float32. */
  readonly quantize: WeightStorage;
  /** Whether `onnx` and `triton` are in floats or in 8-bit integers; always float32 for other formats. */
  readonly variant: Variant;
}

/** Keeps the order: the first file refers to the others, and readers of a stream need it first. */
function diskFiles(files: readonly { readonly path: string }[]): Promise<ExportedFile[]> {
  return Promise.all(files.map(({ path }) => diskFile(basename(path), path)));
}

async function diskFile(name: string, path: string): Promise<ExportedFile> {
  const { size } = await stat(path);
  return { name, content: { path, size } };
}

export function textFile(name: string, text: string): ExportedFile {
  return { name, content: { text } };
}

export function jsonFile(name: string, value: unknown): ExportedFile {
  return textFile(name, `${JSON.stringify(value, null, 2)}\n`);
}
