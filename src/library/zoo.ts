import type { Readable } from 'node:stream';
import type { Robustness } from '../finetuning/head/robustness.ts';
import type { HierarchicalAccuracy } from '../registry/hierarchical-accuracy.ts';
import type {
  ClassifyOptions,
  DrawOptions,
  ExplainOptions,
  Explanation,
  ImageAnswer,
  ImageInput,
  Runtime,
  Tta,
} from './answers.ts';
import type { DistillOptions, FinetuneJob, FinetuneOptions } from './finetune-job.ts';
import type { ModelInfo } from './model-info.ts';

/** Options of `evaluate`. */
export interface EvaluateOptions {
  /** Default `onnx`. */
  readonly runtime?: Runtime;
  /** Whether to average the probabilities over several views, as `classify` does. Default: one view. */
  readonly tta?: Tta;
  /**
   * Whether to corrupt each image in 55 ways too (noise, blur, fog, brightness, contrast, rotation, coarse pixels, JPEG;
   * five severities), for `robustness`. Not together with `tta`. Default false.
   */
  readonly corruptions?: boolean;
  /**
   * Whether to fit a detector of images that show none of the classes, from at least five images of every class. It is
   * kept beside the model until the model is removed; answers then have `unknown` and exports the output `novelty`. Only
   * for models of the zoo: fine-tuned ones have a detector. Default false.
   */
  readonly novelty?: boolean;
  /**
   * A form of the model that is compared with floats on the same images: `int8`, which `quantize` makes, or weights of
   * `float16` or `uint8`, as `export` writes them for TensorFlow.js.
   */
  readonly variant?: 'int8' | 'float16' | 'uint8';
  /** Called after each image. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Accuracy of a model on labelled images. */
export interface Evaluation {
  readonly model: string;
  readonly version: number;
  /** Images that were counted. */
  readonly images: number;
  /** Shares of them whose class is the most probable one, and among the five most probable; 0 to 1. */
  readonly top1: number;
  readonly top5: number;
  /** How near the answers are in the hypernym graph of WordNet; absent when the classes have no synsets. */
  readonly hierarchy?: HierarchicalAccuracy;
  /** Accuracy on corrupted images; absent unless `corruptions` asks for it. */
  readonly robustness?: Robustness;
  /** The detector that was fitted; absent unless `novelty` asks for it. */
  readonly novelty?: FittedNovelty;
  /** The variant beside the model in floats; absent unless `variant` asks for it. */
  readonly comparison?: ComparedVariant;
  /** Classes of the data set that the model does not have; only `hierarchy.conceptsOfOthers` counts their images. */
  readonly unknownClasses: readonly string[];
  /** Images that cannot be read; they are not counted. */
  readonly unreadable: readonly { readonly name: string; readonly reason: string }[];
}

/** How a detector of unknown images does on images that it was not fitted on; shares from 0 to 1. */
export interface FittedNovelty {
  /** Of the images of the classes, those that are not unknown. */
  readonly accepted: number;
  /** On images labelled `_unknown`, beside the highest probability on the same images; absent without any. */
  readonly unknownImages?: { readonly detector: NoveltySeparation; readonly softmax: NoveltySeparation };
}

/** How well images of other things are told from those of the classes. */
export interface NoveltySeparation {
  /** Area under the ROC curve. */
  readonly auroc: number;
  /** Of the images of other things, those that are accepted where 95 % of the others are. */
  readonly falsePositives: number;
}

/** How far a pull is. */
export interface PullProgress {
  /** `wait`: another pull of the same model runs. The others say what is done with the file. */
  readonly phase: 'wait' | 'download' | 'verify' | 'unpack' | 'convert';
  /** Bytes done, and in all once they are known. */
  readonly done?: number;
  readonly total?: number | undefined;
}

/** Options of `pull`. */
export interface PullOptions {
  /** Folder or base URL to take the files from, instead of their publisher. */
  readonly mirror?: string;
  /** Only what a fine-tune needs. Default false. */
  readonly backboneOnly?: boolean;
  readonly onProgress?: (progress: PullProgress) => void;
  /** Interrupts the pull; the next one resumes it. */
  readonly signal?: AbortSignal;
}

/** How far a quantization is: images, or runs, of its phase. */
export interface QuantizeProgress {
  readonly phase: 'calibrating' | 'comparing' | 'timing';
  readonly done: number;
  readonly total: number;
}

/** Options of `quantize`. */
export interface QuantizeOptions {
  /** How the ranges of values are chosen. Default `mse`. */
  readonly method?: 'min_max' | 'percentile' | 'entropy' | 'mse';
  readonly onProgress?: (progress: QuantizeProgress) => void;
  /** Aborts the call, which then rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A form of a model beside the same in floats, in the same runtime. */
export interface ComparedVariant {
  readonly variant: 'int8' | 'float16' | 'uint8';
  readonly images: number;
  /** Share of these images for which both name the same most probable class, 0 to 1. */
  readonly agreement: number;
  /** Largest difference of a probability. */
  readonly largestDifference: number;
  /** Top-1 accuracy, 0 to 1, on the images whose class the model knows; absent when there are none. */
  readonly accuracy?: { readonly images: number; readonly float: number; readonly rounded: number };
  readonly sizeBytes: number;
  readonly floatSizeBytes: number;
  /** Median milliseconds of one image on one thread, measured in turns; `ratio` is the median of the pairs' ratios. */
  readonly speed: { readonly floatMs: number; readonly roundedMs: number; readonly ratio: number };
}

/** What is known of a model in 8-bit integers. None of the `images` was used for calibration. */
export interface QuantizedVariant extends ComparedVariant {
  readonly model: string;
  readonly version: number;
  readonly method: string;
  readonly calibrationImages: number;
}

/** Options of `export`. */
export interface ExportOptions {
  readonly format: 'onnx' | 'tfjs' | 'safetensors' | 'triton';
  /** How weights of `tfjs` are stored. Default `float32`. */
  readonly quantize?: 'float32' | 'float16' | 'uint8';
  /** Whether `onnx` and `triton` are in floats or in 8-bit integers, as `menagerie quantize` makes it. Default `float32`. */
  readonly variant?: 'float32' | 'int8';
}

/** A model as a zip with its classes, its card and instructions. */
export interface ModelExport {
  /** Suggested name: `name-version-format.zip`. */
  readonly filename: string;
  /** The zip, made while it is read. Destroy it if it is not read to its end. */
  readonly zip: Readable;
}

/**
 * Models in this process, without HTTP. Images are computed in processes of their own. Every call rejects with a
 * `MenagerieError`, whose `code` is one of those that `openapi.yaml` lists, or with the reason of its signal. It may
 * share its folder with a server and with other processes; models that these add are found within seconds.
 */
export interface Zoo {
  /**
   * Names what images show. As many as make full batches are read at once, so a list may be long. Codes:
   * `model_not_found`, `model_not_pulled`, `no_classifier`, `model_unavailable`, `queue_full`, `invalid_request`,
   * `no_hierarchy`.
   * @returns an answer for each image, in their order; one that cannot be read has an `error`
   */
  classify(images: readonly ImageInput[], options?: ClassifyOptions): Promise<ImageAnswer[]>;

  /**
   * Computes which parts of an image speak for a class. Codes as `classify`, those of images that cannot be read
   * (`corrupt_image`, `unsupported_image`, `image_too_large`, `empty_image`, `no_image`), and `not_explainable`.
   */
  explain(image: ImageInput, options?: ExplainOptions): Promise<Explanation>;

  /** Draws the explanation over the image. @returns a PNG of at most 1024 pixels a side */
  drawExplanation(image: ImageInput, options?: DrawOptions): Promise<Uint8Array>;

  /**
   * Teaches a model the classes of labelled images and publishes it as a new version.
   * @param path a folder or zip with one folder per class, or with a table of labels
   * @returns the job, as soon as its options are found right. Codes: `invalid_request`, `model_not_found`; of the
   * result: `dataset_layout`, `dataset_too_small`, `archive_corrupt`, `training_lost` and others
   */
  finetune(path: string, options: FinetuneOptions): Promise<FinetuneJob>;

  /**
   * Makes a model in 8-bit integers and compares it with the one in floats; `classify` and `export` then take
   * `variant: 'int8'`. Codes: as `classify`; `format_unavailable`, `dataset_too_small`, `training_lost`.
   * @param path a folder or zip of images like those that the model will see; with a folder per class, named by the
   * label or synset of a class of the model, the accuracy is compared too
   */
  quantize(model: string, path: string, options?: QuantizeOptions): Promise<QuantizedVariant>;

  /**
   * Teaches a small model the answers of a large one, on pictures that need no labels, and publishes it as a new version.
   * @param path a folder or zip of pictures
   * @returns the job, as soon as its options are found right. Codes: `invalid_request`, `model_not_found`; of the
   * result: `dataset_too_small`, `archive_corrupt`, `training_lost` and others
   */
  distill(path: string, options: DistillOptions): Promise<FinetuneJob>;

  /**
   * Measures the accuracy of a model.
   * @param path a folder or zip with one folder per class, named by the label or synset of a class of the model
   */
  evaluate(model: string, path: string, options?: EvaluateOptions): Promise<Evaluation>;

  /** All models: those that are here, and those that can be pulled. */
  models(): Promise<ModelInfo[]>;

  /**
   * The report of a version that was trained here: for programs, as `GET /models/{id}/report` of `openapi.yaml`
   * describes it, or as a page. Codes: `report_not_found`, `model_not_found`.
   */
  report(model: string, format?: 'json' | 'html'): Promise<string>;

  /** Packs a version. Codes: `format_unavailable`, `model_not_found`, `no_classifier`. */
  export(model: string, options: ExportOptions): Promise<ModelExport>;

  /** Downloads the weights of a model of the zoo and verifies them. Codes: `model_not_found`, `model_unavailable`. */
  pull(model: string, options?: PullOptions): Promise<ModelInfo>;

  /**
   * Removes what is here of a pulled or imported model, one version of a trained model (`name@2`), or all versions of
   * it (`name`). Codes: `model_not_found`, `version_in_use`, `model_read_only`.
   */
  remove(model: string): Promise<void>;

  /** Cancels what runs and ends the processes. The zoo cannot be used any more. */
  close(): Promise<void>;
}
