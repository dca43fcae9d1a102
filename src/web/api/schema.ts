// Generated from openapi.yaml by `npm run openapi-client`. Do not edit.

export type Session = {
  /** `key`: a key was sent. `local`: none is needed on this machine. `anonymous`: there is none. */
  readonly client: "key" | "local" | "anonymous";
  /** The key; null without one. */
  readonly key: {
    readonly id: string;
    readonly name: string;
  } | null;
  /** What the sender may do; null for nothing. */
  readonly scope: "classify" | "teach" | "admin" | null;
};

/** `name`, `name@version` or `name@alias`. Of the name of a model of the zoo, the part before the dot is enough: `resnet50` means the recommended weights, `resnet50.tv_in1k`. Answers have the full name. */
export type ModelReference = string;

export type Runtime = "onnx" | "tfjs";

export type Variant = "float32" | "int8";

export type TopK = number;

export type Threshold = number;

export type Classification = {
  /** Name of the model that answered. */
  readonly model: string;
  readonly version: number;
  readonly variant: Variant;
  readonly runtime: Runtime;
  readonly results: readonly (ImageClasses | ImageFailure)[];
  /** Durations of the whole request, in milliseconds. */
  readonly timings: {
    /** Receiving the body. */
    readonly receive_ms: number;
    /** From the end of the body to the last result, including decoding. */
    readonly classify_ms: number;
    readonly total_ms: number;
  };
};

export type ImageClasses = {
  readonly filename: Filename;
  /** Most probable class first; fewer than `top_k` when the model has fewer classes or scores are below `threshold`. */
  readonly predictions: readonly Prediction[];
  /** Only with `hierarchy=true`: the most specific concept of WordNet that reaches `threshold`, such as `dog` where no breed does; null when none does. */
  readonly concept?: BackedOffConcept | null | undefined;
  /** Whether the image shows none of the classes: its `novelty` is above 1. Models without a detector do not have it; versions from before there were detectors go by `unknown_threshold` of the card instead. */
  readonly unknown?: boolean | undefined;
  /** How unlike the training images the image is. It is the distance of its features to the nearest class in units of the threshold. Models without a detector do not have it. */
  readonly novelty?: number | undefined;
  readonly warnings?: ImageWarnings | undefined;
  /** Durations of this image, in milliseconds. */
  readonly timings: {
    /** Decoding, resizing and cropping. */
    readonly decode_ms: number;
    /** Waiting for an engine. */
    readonly queue_ms: number;
    /** Computing its batch. */
    readonly inference_ms: number;
    /** Images in its batch, including this one. */
    readonly batch_size: number;
  };
};

/** Findings about the file, which was decoded all the same; absent when there are none. */
export type ImageWarnings = readonly {
  /** `jpeg_without_end`: a JPEG lacks its end marker, but no rows. New codes may be added. */
  readonly code: string;
  readonly detail: string;
}[];

export type ImageFailure = {
  readonly filename: Filename;
  readonly error: Problem;
};

/** File name in the form; `image` for a raw body. */
export type Filename = string;

export type Prediction = {
  readonly label: string;
  /** Probability of the class. */
  readonly score: number;
  /** Index of the class in the model's output. */
  readonly index: number;
  /** The class in WordNet 3.0, when it is known. */
  readonly synset: string | null;
  /** Only with `hierarchy=true`: from the class's first hypernym to the root; empty for a class without a synset that the zoo knows. */
  readonly path?: readonly ScoredConcept[] | undefined;
};

/** A noun of WordNet 3.0 by its offset. */
export type Synset = string;

export type ScoredConcept = {
  readonly synset: Synset;
  readonly label: string;
  /** Sum of the scores of all classes below it. */
  readonly score: number;
};

export type BackedOffConcept = {
  readonly synset: Synset;
  readonly label: string;
  /** Sum of the scores of all classes below it. */
  readonly score: number;
  /** Links of the longest way from the root. */
  readonly depth: number;
  /** From its first hypernym to the root. */
  readonly path: readonly ScoredConcept[];
};

export type NamedConcept = {
  readonly synset: Synset;
  readonly label: string;
};

/** All names of the concept, the label among them. */
export type ConceptNames = readonly string[];

export type Concept = {
  readonly synset: Synset;
  readonly label: string;
  readonly names: ConceptNames;
  /** What it is, in a sentence. */
  readonly gloss: string | null;
  /** Links of the longest way from the root. */
  readonly depth: number;
  /** Its hypernyms; none at the root. */
  readonly parents: readonly NamedConcept[];
  /** What is directly below it, as far as the model, or without `model` any labels file of the zoo, has a class there. */
  readonly children: readonly NamedConcept[];
  /** From its first hypernym to the root. */
  readonly path: readonly NamedConcept[];
  /** Only with `model`. */
  readonly model?: string | undefined;
  /** Only with `model`. */
  readonly version?: number | undefined;
  /** Only with `model`: the classes of the model that the concept is or has below it. */
  readonly classes?: readonly {
    readonly index: number;
    readonly label: string;
  }[] | undefined;
};

export type ModelLabels = {
  readonly model: string;
  readonly version: number;
  /** The classes in the order of the model's outputs. */
  readonly classes: readonly {
    readonly index: number;
    readonly label: string;
    readonly synset: string | null;
  }[];
  /** The synsets of the classes and all that lies above them, the deepest first; none when the classes have no synsets that the zoo knows. */
  readonly concepts: readonly {
    readonly synset: Synset;
    readonly label: string;
    readonly names: ConceptNames;
    /** What it is, in a sentence. */
    readonly gloss: string | null;
    /** Links of the longest way from the root. */
    readonly depth: number;
    /** Its hypernyms. */
    readonly parents: readonly Synset[];
    /** What is directly below it, as far as the model has a class there. */
    readonly children: readonly Synset[];
    /** Indices of the classes that it is or has below it. */
    readonly classes: readonly number[];
  }[];
};

export type Explanation = {
  /** Name of the model that answered. */
  readonly model: string;
  readonly version: number;
  readonly method: "cam" | "grad_cam";
  readonly class: Prediction;
  /** Size of the upright photo, in pixels. */
  readonly image: {
    readonly width: number;
    readonly height: number;
  };
  /** The part of the photo that the model saw and the heatmap covers, in pixels, which may be fractions. It extends beyond the photo where the model pads (`resize_mode`). */
  readonly crop: {
    readonly left: number;
    readonly top: number;
    readonly width: number;
    readonly height: number;
  };
  /** Rows from top to bottom, each from left to right: 1 at the place that contributes most to the class, 0 where nothing does. All 0 when no place contributes. */
  readonly heatmap: {
    readonly height: number;
    readonly width: number;
    readonly values: readonly (readonly number[])[];
  };
  readonly warnings?: ImageWarnings | undefined;
  /** Durations in milliseconds, as in a classification. */
  readonly timings: {
    readonly receive_ms: number;
    readonly decode_ms: number;
    readonly queue_ms: number;
    readonly inference_ms: number;
    readonly total_ms: number;
  };
};

export type ModelList = {
  readonly models: readonly ModelSummary[];
  /** Models whose bare name answers with `model_unavailable`, since the version that it stands for is damaged or missing. Their other versions can be used as `name@version`. */
  readonly unavailable: readonly {
    readonly id: string;
    /** What is damaged or missing. */
    readonly reason: string;
    /** Versions that can be used. */
    readonly versions: readonly number[];
    readonly aliases: Aliases;
    readonly damaged?: DamagedReferences | undefined;
  }[];
  /** Models of the zoo whose weights are not on this machine, by name. `POST /models/{id}/pull` downloads them. */
  readonly not_pulled: readonly ModelFacts[];
};

/** Versions by their alias, as in `name@alias`. */
export type Aliases = Readonly<Record<string, number>>;

/** Versions and aliases that cannot be used, since a file is damaged or missing. Setting or removing an alias repairs it. Absent when there are none. */
export type DamagedReferences = readonly {
  /** As in `name@version` or `name@alias`. */
  readonly reference: string;
  /** The file and what is wrong with it, or where the alias points to. */
  readonly reason: string;
}[];

/** What is known of a model without its weights. */
export type ModelFacts = {
  readonly id: string;
  readonly title: string;
  /** Of several weights of an architecture: whether its name alone means these. */
  readonly recommended: boolean;
  /** 0 for a backbone without a head, which can only be fine-tuned. */
  readonly num_classes: number;
  /** Length of the feature vector, which a head reads. */
  readonly num_features: number;
  readonly parameters: number;
  /** Channels, height, width. */
  readonly input_size: readonly number[];
  readonly license: string;
  /** Size of the weights; an estimate for some that are not pulled. */
  readonly size_bytes: number;
  /** Measured by the code that serves; as published, for weights that others trained. */
  readonly accuracy: readonly {
    readonly dataset: string;
    readonly images: number;
    /** Height and width in pixels, when they differ from those of `input_size`. */
    readonly image_size?: number | undefined;
    /** Percent. */
    readonly top1: number;
    /** Percent. */
    readonly top5?: number | undefined;
    /** Expected calibration error. */
    readonly ece_15_bins?: number | undefined;
  }[];
};

export type ModelSummary = ModelFacts & {
  /** The version that was asked for. A bare name stands for the version of the alias `production`, or for the newest version when there is no such alias. It never stands for another one instead. */
  readonly version: number;
  /** Versions that can be used. */
  readonly versions: readonly number[];
  readonly aliases: Aliases;
  readonly damaged?: DamagedReferences | undefined;
  /** Whether the model answers requests that name none. */
  readonly default: boolean;
  /** Whether `POST /classify` can be asked with `hierarchy=true`. */
  readonly hierarchy: boolean;
  /** How the model can be computed, for `variant` of `POST /classify`. */
  readonly variants: readonly Variant[];
};

export type CalibrationMethod = "min_max" | "percentile" | "entropy" | "mse";

/** The variant `int8` beside the model in floats, as measured when it was made, on images that were not used for calibration. */
export type Quantization = {
  readonly made_at: string;
  readonly method: CalibrationMethod;
  readonly sha256: string;
  readonly size_bytes: number;
  readonly float_size_bytes: number;
  readonly calibration_images: number;
  /** Images on which both were compared. */
  readonly images: number;
  /** Share of images with the same most probable class. */
  readonly agreement: number;
  readonly max_probability_difference: number;
  /** Top-1 accuracy on the images whose class the model knows; null when there are none. */
  readonly accuracy: {
    readonly images: number;
    readonly float: number;
    readonly int8: number;
  } | null;
  /** Median milliseconds of one image on one thread, measured in turns, and the median of the ratios of each two runs. */
  readonly speed: {
    readonly float_ms: number;
    readonly int8_ms: number;
    /** How many times as fast as in floats. */
    readonly ratio: number;
  };
};

/** A TF.js model with rounded weights beside the same in floats, as `menagerie evaluate --variant` measured it last. */
export type RoundedWeights = {
  readonly measured_at: string;
  readonly size_bytes: number;
  readonly float_size_bytes: number;
  /** Images on which both were compared. */
  readonly images: number;
  /** Share of images with the same most probable class. */
  readonly agreement: number;
  readonly max_probability_difference: number;
  /** Top-1 accuracy on the images whose class the model knows; null when there are none. */
  readonly accuracy: {
    readonly images: number;
    readonly float: number;
    readonly rounded: number;
  } | null;
  /** Median milliseconds of one image on one thread in TensorFlow.js, measured in turns, and the median of the ratios of each two runs. */
  readonly speed: {
    readonly float_ms: number;
    readonly rounded_ms: number;
    /** How many times as fast as in floats. */
    readonly ratio: number;
  };
};

/** Download of the weights of a model. */
export type Pull = {
  readonly model: string;
  readonly state: "running" | "done" | "failed" | "cancelled";
  readonly phase: "wait" | "download" | "verify" | "unpack" | "convert";
  readonly done_bytes: number | null;
  readonly total_bytes: number | null;
  /** Why it failed. */
  readonly reason: string | null;
};

/** `ModelSummary` with all details. */
export type ModelCard = ModelSummary & {
  /** Name of a known architecture, or parameters of a family. */
  readonly architecture: string | {
    readonly family: string;
  };
  /** Input of the network. */
  readonly input: {
    readonly height: number;
    readonly width: number;
    readonly channels: 3;
    readonly layout: "NHWC";
    readonly dtype: "uint8";
    /** The smallest and the largest value of a pixel: 0 and 255. */
    readonly range: readonly number[];
    readonly colour: "RGB";
  };
  /** How a photo becomes the input: it is resized to `input / crop_pct`, and the centre is cropped. The network itself scales by `mean` and `std`, of values in 0..1. */
  readonly preprocessing: {
    /** How a photo of another shape is fitted. `crop`: its shorter side is resized. `stretch`: both sides are resized, whatever its proportions. `pad`: its longer side is resized, and the rest of the input is filled with `pad_color`. */
    readonly resize_mode: "crop" | "stretch" | "pad";
    /** Red, green and blue; black when absent. */
    readonly pad_color?: readonly number[] | undefined;
    readonly crop_pct: number;
    readonly interpolation: "nearest" | "bilinear" | "bicubic" | "lanczos";
    /** Whether colour profiles in files are ignored, or their colours converted to sRGB. Fine-tuned models have it from their training. The setting `ICC` decides where it is absent. */
    readonly icc?: "ignore" | "convert" | undefined;
    readonly mean: PerChannel;
    readonly std: PerChannel;
  };
  /** In the order of the output. */
  readonly classes: readonly {
    readonly index: number;
    readonly label: string;
    readonly synset?: string | undefined;
  }[];
  /** The training recipe, as far as it is known; the options of a fine-tuned model. */
  readonly training?: Readonly<Record<string, unknown>> | undefined;
  readonly novelty?: NoveltyFigures | undefined;
  /** Only of versions without a detector: when the best score is lower, the answer is `unknown`. */
  readonly unknown_threshold?: number | undefined;
  /** Fine-tuned models only: digests of backbone and data set, and the software that trained it. */
  readonly provenance?: Readonly<Record<string, string>> | undefined;
  /** Fine-tuned models only; the whole report is at `/models/{id}/report`. */
  readonly report?: ReportSummary | undefined;
  /** The file and what is wrong with it, in place of `report`. The model can be used all the same. */
  readonly report_damaged?: string | undefined;
  /** More about licence and origin. */
  readonly license_notice?: string | undefined;
  /** Approximate bytes on the disk, and of memory when the model is loaded. */
  readonly needs?: {
    readonly disk_bytes: number;
    readonly memory_bytes: number;
  } | undefined;
  /** The file from which the formats are converted. */
  readonly weights: File;
  /** Comparison of ONNX and TF.js on eight fixed pictures after the conversion: `measured`; `pending` before that; `none` when the model is available in one format only. */
  readonly parity?: {
    readonly state: "measured" | "pending" | "none";
    /** Why there is no comparison. */
    readonly reason?: string | undefined;
    readonly measured_at?: string | undefined;
    readonly pictures?: number | undefined;
    /** Largest difference of logits and features, relative to the largest value. */
    readonly max_difference?: {
      readonly probabilities?: number | undefined;
      readonly logits?: number | undefined;
      readonly features?: number | undefined;
    } | undefined;
    /** Share of pictures with the same most probable class. */
    readonly top1_agreement?: number | undefined;
    /** Largest accepted difference of a probability. */
    readonly tolerance?: number | undefined;
    readonly within_tolerance?: boolean | undefined;
    readonly onnx?: ComparedFormat | undefined;
    readonly tfjs?: ComparedFormat | undefined;
  } | undefined;
  /** The variant `int8`; null when it has not been made. */
  readonly quantization?: Quantization | null | undefined;
  /** TF.js weights of fewer bits, where `menagerie evaluate --variant float16` or `uint8` has compared them with floats. */
  readonly rounded_weights?: {
    readonly float16?: RoundedWeights | undefined;
    readonly uint8?: RoundedWeights | undefined;
  } | undefined;
  /** The converted files; they are made at first use. */
  readonly formats: {
    readonly onnx?: File | undefined;
    readonly tfjs?: File | undefined;
  };
};

export type Job = {
  readonly id: string;
  readonly state: JobState;
  /** Last reported progress; null before the job has started. */
  readonly progress: JobProgress | null;
  /** Result of a job that succeeded. */
  readonly result: JobResult | QuantizationResult | null;
  /** Failure of a job that failed. */
  readonly failure: JobFailure | null;
  /** How often the job was begun since it last got further. More than 1 after a crash; it fails after 3. */
  readonly attempts: number;
  readonly cancel_requested: boolean;
  readonly priority: JobPriority;
  readonly created_at: string;
  readonly started_at: string | null;
  readonly finished_at: string | null;
  /** Options of the request. */
  readonly options: Readonly<Record<string, unknown>>;
};

export type JobPriority = "normal" | "low";

export type JobState = "queued" | "running" | "succeeded" | "failed" | "cancelled";

/** Numbers that do not apply to a phase are absent. */
export type JobProgress = {
  /** Approximate share of the whole job that is done. */
  readonly fraction: number;
  readonly phase: string;
  /** Images, copies, corrupted images, fits or epochs of this phase. */
  readonly done?: number | undefined;
  readonly total?: number | undefined;
  /** Estimate for this phase, from its speed so far. */
  readonly seconds_left?: number | undefined;
  readonly loss?: number | undefined;
  readonly accuracy?: number | undefined;
  readonly val_loss?: number | undefined;
  readonly val_accuracy?: number | undefined;
  /** Of a thorough search. */
  readonly rung?: number | undefined;
  readonly rungs?: number | undefined;
  /** Best trial of this rung so far. */
  readonly best_accuracy?: number | undefined;
};

export type JobResult = {
  readonly model: string;
  readonly version: number;
  /** Whether the version now answers to the name of the model. */
  readonly promoted: boolean;
  readonly summary: ReportSummary;
};

/** Result of `POST /models/{id}/quantize`. */
export type QuantizationResult = {
  readonly model: string;
  readonly version: number;
  readonly variant: "int8";
  readonly quantization: Quantization;
};

export type JobFailure = {
  /** A code of errors, `worker_lost` after too many crashes, or `job_unreadable` when the record of the job is damaged. */
  readonly code: string;
  readonly message: string;
};

export type JobStateEvent = {
  readonly at: string;
  readonly state: JobState;
  readonly failure: JobFailure | null;
};

export type JobProgressEvent = {
  readonly at: string;
  readonly progress: JobProgress;
};

/** Report on a data set. Lists of examples are truncated, counts are complete. */
export type PreflightReport = {
  readonly layout: "folders" | "split_folders" | "table" | "file_names" | "unlabelled";
  /** What would be trained, in one sentence. */
  readonly will_train: string;
  readonly classes: readonly ({
    readonly name: string;
    readonly images: number;
    readonly train: number;
    readonly validation: number;
    readonly test: number;
    /** The concept of WordNet that the class shows, if somebody has said so. */
    readonly concept?: {
      readonly synset: Synset;
      /** Absent for a synset that the zoo does not know. */
      readonly label?: string | undefined;
      readonly gloss?: string | undefined;
      /** The option `synsets`, the column `synset` of a table, or the name of the class itself. */
      readonly from: "option" | "table" | "class_name";
    } | undefined;
    /** Concepts that are called like the class, three at most. They count for nothing until the option `synsets` names one of them. */
    readonly suggestions?: readonly {
      readonly synset: Synset;
      readonly label: string;
      readonly gloss?: string | undefined;
    }[] | undefined;
  })[];
  /** Numbers of images. */
  readonly images: {
    readonly labelled: number;
    readonly unreadable: number;
    /** Readable, but with several labels or in several splits. */
    readonly left_out: number;
    /** Images of the classes that are used. */
    readonly used: number;
    /** Images labelled `_unknown`, which show none of the classes and are for the detector of unknown images alone. Absent when there are none. */
    readonly negative?: number | undefined;
    readonly train: number;
    readonly validation: number;
    readonly test: number;
  };
  /** Images of the largest class over those of the smallest. */
  readonly imbalance: number | null;
  readonly split: Readonly<Record<string, unknown>>;
  /** Images that cannot be decoded, with the reason. */
  readonly unreadable: {
    readonly count: number;
    readonly examples: readonly {
      readonly file: string;
      readonly label: string;
      readonly code: string;
      readonly reason: string;
    }[];
  };
  /** Files that are not used, with reasons. */
  readonly ignored: Readonly<Record<string, unknown>>;
  /** Rows of tables whose file is missing. */
  readonly missing?: Readonly<Record<string, unknown>> | undefined;
  /** Exact copies with the same label. */
  readonly duplicates?: FileGroups | undefined;
  /** Exact copies with different labels. */
  readonly conflicting_labels?: FileGroups | undefined;
  /** Exact copies in several splits. */
  readonly leakage?: FileGroups | undefined;
  /** Pairs that look alike. */
  readonly near_duplicates?: FileGroups | undefined;
  /** Images that are smaller than the input of the model. */
  readonly small_images?: {
    readonly count: number;
    readonly examples: readonly {
      readonly file: string;
      readonly width: number;
      readonly height: number;
    }[];
  } | undefined;
  readonly warnings: readonly {
    readonly code: string;
    readonly message: string;
  }[];
};

/** Groups of files of a data set. */
export type FileGroups = {
  readonly count: number;
  readonly examples: readonly (readonly {
    readonly file: string;
    readonly label: string;
    readonly split?: string | undefined;
  }[])[];
};

/** The figures are absent when no image was held out. */
export type ReportSummary = {
  readonly verdict: Verdict;
  readonly next_steps: readonly string[];
  readonly test_images?: number | undefined;
  readonly accuracy?: number | undefined;
  /** 95 % confidence interval of the accuracy. */
  readonly interval?: readonly number[] | undefined;
  readonly macro_f1?: number | undefined;
  readonly calibration_error?: Readonly<Record<string, unknown>> | undefined;
  readonly temperature?: number | undefined;
  /** Effect of a threshold on the confidence on the held-out images. */
  readonly unknown?: Readonly<Record<string, unknown>> | undefined;
  readonly novelty?: NoveltyReport | undefined;
  readonly baselines?: Readonly<Record<string, unknown>> | undefined;
};

/** How well a method tells images of other things from images of the classes. */
export type Separation = {
  /** `softmax` is the highest probability; `mahalanobis` is what the model has. */
  readonly method?: "softmax" | "energy" | "nearest_neighbour" | "mahalanobis" | undefined;
  /** Area under the ROC curve. */
  readonly auroc: number;
  /** Share of the images of other things that are accepted where 95 % of the others are. */
  readonly false_positives: number;
};

/** The detector of images that show none of the classes. */
export type NoveltyFigures = {
  /** Share of the held-out images of the classes that are not unknown. */
  readonly accepted?: number | undefined;
  /** Where the unknown images come from. */
  readonly measured_on?: "left_out_classes" | "unknown_images" | undefined;
  readonly detector?: Separation | undefined;
  readonly softmax?: Separation | undefined;
};

/** The detector of images that show none of the classes, beside other methods on the same images. */
export type NoveltyReport = {
  readonly method: "mahalanobis";
  /** Share of the images of the classes that the threshold should accept. */
  readonly target: number;
  /** Images labelled `_unknown` that the threshold was chosen with. */
  readonly tuned_on: number;
  /** Images of the classes that the threshold was chosen on, each judged without it. With fewer than 19 the share that will be accepted is not known. */
  readonly judged?: number | undefined;
  /** Share of the held-out images that it accepts. */
  readonly accepted?: number | undefined;
  /** Means over classes that were left out of the training one at a time. */
  readonly left_out_classes?: {
    readonly classes: number;
    readonly methods: readonly Separation[];
  } | undefined;
  /** Held-out images labelled `_unknown`, which had no part in choosing the threshold. */
  readonly unknown_images?: {
    readonly images: number;
    /** Share of them that is unknown. */
    readonly refused: number;
    readonly methods: readonly Separation[];
  } | undefined;
};

/** Most important first. */
export type Verdict = readonly {
  readonly level: "good" | "caution" | "bad";
  readonly text: string;
}[];

/** The deepest concept that is at least as likely as not, over some test images. */
export type ConceptAccuracy = {
  readonly images: number;
  /** Share of the images that show the concept. */
  readonly right: number;
  /** Mean depth of the concepts that are right. Absent when none is. */
  readonly depth?: number | undefined;
};

export type TrainingReport = {
  readonly novelty?: NoveltyReport | undefined;
  readonly schema: 1;
  readonly created_at: string;
  readonly model: {
    readonly name: string;
    readonly version: number;
  };
  readonly backbone: {
    readonly name: string;
    readonly version: number;
  };
  readonly classes: readonly string[];
  readonly dataset: {
    /** Over label, split and pixels of every image. Where it is the same, so are the held-out images. */
    readonly sha256: Sha256;
  };
  readonly training: {
    /** Epoch of the weights that were kept. */
    readonly best_epoch: number;
    readonly history: readonly {
      readonly epoch: number;
      readonly loss: number;
      readonly accuracy: number;
      readonly val_loss?: number | undefined;
      readonly val_accuracy?: number | undefined;
    }[];
    /** A thorough search: every trial with its cross-validated accuracy and the time of its backbone. The test images had no part in it. */
    readonly automatic_search?: {
      readonly prefer: "accuracy" | "balanced" | "speed";
      readonly budget_minutes: number;
      /** Whether candidates were left out for lack of time. */
      readonly out_of_time: boolean;
      readonly rungs: readonly {
        readonly images: number;
        /** Equal to `images` where each image is left out in turn. */
        readonly folds: number;
        /** Whether heads are solved for instead of trained. */
        readonly solved: boolean;
      }[];
      readonly trials: readonly {
        readonly rung: number;
        readonly images: number;
        readonly backbone: string;
        readonly layers: "all" | "half" | "last";
        readonly copies: "given" | "none";
        /** Whether the head is solved for instead of trained. */
        readonly solved: boolean;
        readonly hidden_units?: readonly number[] | undefined;
        readonly dropout?: number | undefined;
        readonly weight_decay_factor?: number | undefined;
        readonly accuracy: number;
        /** Standard error of the accuracy. */
        readonly spread: number;
        /** One image on one thread, measured side by side. */
        readonly latency_ms: number;
        /** When it began: what was left of the budget, what it was expected to take, and what was kept for the training after the search. */
        readonly clock: {
          readonly seconds_left: number;
          readonly expected_seconds: number;
          readonly reserved_seconds: number;
        };
        /** No trial of the last rung is more accurate without being slower. */
        readonly front: boolean;
        readonly chosen: boolean;
      }[];
      readonly left_out: readonly {
        readonly backbone: string;
        readonly reason: string;
      }[];
    } | undefined;
    /** Cross-validated accuracy by number of training images, where these are few. `forecasts` is empty when the points do not say what more images would bring. */
    readonly learning_curve?: {
      readonly points: readonly {
        readonly images: number;
        readonly images_per_class: number;
        readonly accuracy: number;
        readonly standard_error: number;
      }[];
      readonly forecasts: readonly {
        readonly images: number;
        readonly images_per_class: number;
        readonly accuracy: number;
        /** 90 % interval of the accuracy. */
        readonly interval: readonly number[];
      }[];
    } | undefined;
    /** How the last stage of the backbone was trained; absent when the head alone was. */
    readonly last_stage?: {
      /** Whether the trained stage is published. If not, the head alone was as good on the validation images. */
      readonly published: boolean;
      /** Epoch of the weights that were kept; 0 is the head alone. */
      readonly best_epoch: number;
      /** Parameters of the stage that were trained. */
      readonly parameters: number;
      readonly validation_images: number;
      readonly seconds_per_epoch: number;
      /** As that of the head; epoch 0 is the head alone. */
      readonly history: readonly Readonly<Record<string, unknown>>[];
    } | undefined;
  };
  readonly verdict: Verdict;
  readonly next_steps: readonly string[];
  /** Evaluation on the held-out images; null when there are none. */
  readonly test: TestReport | null;
  readonly provenance: {
    readonly seed: number;
    /** Those of the request, with defaults filled in. */
    readonly options: Readonly<Record<string, unknown>>;
  };
};

/** How well the model answers corrupted images, at the five severities of Hendrycks & Dietterich (2019). Absent when `corruptions` was false. Shares are 0..1. */
export type Robustness = {
  /** Held-out images of each corruption and severity. */
  readonly images: number;
  /** Mean over corruptions and severities. */
  readonly corrupted_accuracy: number;
  /** 1 less `corrupted_accuracy`. */
  readonly mean_corruption_error: number;
  /** `corrupted_accuracy` as a share of the accuracy; null when that is 0. */
  readonly relative_robustness: number | null;
  /** The corruption with the lowest accuracy first. */
  readonly corruptions: readonly {
    readonly corruption: string;
    readonly accuracy: number;
    readonly by_severity: readonly number[];
  }[];
  /** The most confident wrong answers to images that are answered right as they are. `GET /models/{id}/report/pictures` has the corrupted pictures, by `picture`. */
  readonly worst: readonly {
    readonly image: string;
    readonly corruption: string;
    readonly severity: number;
    readonly label: string;
    readonly predicted: string;
    readonly confidence: number;
    readonly picture: string;
  }[];
};

/** Shares are 0..1. */
export type TestReport = {
  readonly images: number;
  readonly accuracy: number;
  /** 95 % confidence interval of the accuracy. */
  readonly interval: readonly number[];
  readonly macro_f1: number;
  /** Number of images by true class (rows) and predicted class (columns), in the order of the classes. */
  readonly confusion: readonly (readonly number[])[];
  /** Some images of each cell of `confusion`, wrong predictions first. */
  readonly cells?: readonly {
    readonly label: string;
    readonly predicted: string;
    readonly examples: readonly {
      readonly image: string;
      readonly confidence: number;
    }[];
  }[] | undefined;
  readonly per_class: readonly {
    readonly class: string;
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
    readonly support: number;
  }[];
  readonly robustness?: Robustness | undefined;
  readonly worst_mistakes: readonly JudgedImage[];
  readonly least_certain: readonly JudgedImage[];
  readonly calibration: {
    readonly temperature: number;
    readonly before: Calibration;
    readonly after: Calibration;
  };
  /** A confidence for callers to whom a wrong answer costs more than none, and its effect on the held-out images. The answer `unknown` comes from `novelty` instead. */
  readonly unknown: {
    readonly threshold: number;
    readonly reached: boolean;
    readonly coverage: number;
    readonly accuracy: number;
    /** What other thresholds would do on the held-out images, the lowest first: share of the answers that are kept, and share of these that are right. The first keeps every answer. */
    readonly curve: readonly {
      readonly threshold: number;
      readonly coverage: number;
      readonly accuracy: number;
    }[];
  };
  /** How near the answers are in the hypernym graph of WordNet, as `menagerie evaluate` measures it. Absent when no class has a synset that the zoo knows. */
  readonly hierarchy?: {
    readonly precision: number;
    readonly recall: number;
    readonly f1: number;
    /** Mean links between a wrong class and the true one. Absent without mistakes. */
    readonly mistake_distance?: number | undefined;
    /** Mean depth of the true classes. */
    readonly class_depth: number;
    readonly concepts: ConceptAccuracy;
    readonly concepts_of_mistakes: ConceptAccuracy;
  } | undefined;
  readonly baselines: {
    readonly majority_class: {
      readonly accuracy: number;
    };
    readonly nearest_neighbours: {
      readonly accuracy: number;
    };
    /** The class with the most similar mean. */
    readonly prototypes?: {
      readonly accuracy: number;
    } | undefined;
  };
  /** The previous version, on the same images. */
  readonly current?: {
    readonly model: string;
    readonly version: number;
    readonly accuracy: number;
  } | undefined;
};

export type JudgedImage = {
  readonly image: string;
  readonly label: string;
  readonly predicted: string;
  readonly confidence: number;
};

export type Calibration = {
  readonly error: number;
  readonly bins: readonly {
    readonly low: number;
    readonly high: number;
    readonly count: number;
    readonly confidence: number;
    readonly accuracy: number;
  }[];
};

export type File = {
  readonly sha256: Sha256;
  readonly size_bytes: number;
};

/** As in the Open Inference Protocol. */
export type TensorMetadata = {
  readonly name: string;
  readonly versions: readonly string[];
  readonly platform: "onnxruntime_onnx";
  readonly inputs: readonly TensorSpecification[];
  readonly outputs: readonly TensorSpecification[];
};

export type TensorSpecification = {
  readonly name: "pixels" | "probabilities" | "logits" | "features" | "activations" | "novelty";
  readonly datatype: "UINT8" | "FP32";
  readonly shape: readonly number[];
  /** Of the input. */
  readonly parameters?: {
    /** All types that the input takes. `BYTES`, of shape `[n]`, are files such as JPEG. */
    readonly datatypes: readonly ("UINT8" | "FP32" | "BYTES")[];
  } | undefined;
};

/** As in Triton's extension "model configuration". Dimensions are those of one image. */
export type ModelConfiguration = {
  readonly name: string;
  readonly platform: "onnxruntime_onnx";
  readonly backend: "onnxruntime";
  /** Images that a request may have. */
  readonly max_batch_size: number;
  readonly input: readonly {
    readonly name: "pixels";
    readonly data_type: "TYPE_UINT8";
    readonly format: "FORMAT_NHWC";
    readonly dims: readonly number[];
    readonly optional: false;
  }[];
  readonly output: readonly {
    readonly name: "probabilities" | "logits" | "features" | "activations" | "novelty";
    readonly data_type: "TYPE_FP32";
    readonly dims: readonly number[];
  }[];
  readonly dynamic_batching: {
    readonly preferred_batch_size: readonly number[];
    readonly max_queue_delay_microseconds: number;
  };
};

/** As in Triton's extension "statistics". */
export type ModelStatistics = {
  readonly model_stats: readonly {
    readonly name: string;
    readonly version: string;
    /** Milliseconds since 1970; 0 when there was none. */
    readonly last_inference: number;
    /** Images. */
    readonly inference_count: number;
    /** Batches. */
    readonly execution_count: number;
    readonly inference_stats: {
      readonly success: CountAndTime;
      readonly fail: CountAndTime;
      readonly queue: CountAndTime;
      readonly compute_input: CountAndTime;
      readonly compute_infer: CountAndTime;
      readonly compute_output: CountAndTime;
      readonly cache_hit: CountAndTime;
      readonly cache_miss: CountAndTime;
    };
    readonly batch_stats: readonly {
      readonly batch_size: number;
      readonly compute_input: CountAndTime;
      readonly compute_infer: CountAndTime;
      readonly compute_output: CountAndTime;
    }[];
  }[];
};

export type CountAndTime = {
  readonly count: number;
  /** Nanoseconds in all. */
  readonly ns: number;
};

export type ModelState = {
  readonly name: string;
  readonly ready: boolean;
};

/** As in version 1 of KServe's protocol. */
export type PredictionRequest = {
  /** Files, or pixels as nested arrays; not both. */
  readonly instances: readonly ({
    /** A file, such as a JPEG, as base64. */
    readonly b64: string;
  } | readonly (readonly (readonly number[])[])[])[];
};

export type PredictionResponse = {
  /** The probabilities of the classes, for each instance. */
  readonly predictions: readonly (readonly number[])[];
};

/** As in the Open Inference Protocol. */
export type InferenceRequest = {
  /** Repeated in the answer. */
  readonly id?: string | undefined;
  readonly parameters?: {
    readonly binary_data_output?: boolean | undefined;
    readonly runtime?: Runtime | undefined;
  } | undefined;
  readonly inputs: readonly ({
    readonly name: "pixels";
    readonly datatype: "UINT8" | "FP32" | "BYTES";
    readonly shape: readonly number[];
    readonly parameters?: {
      readonly binary_data_size?: number | undefined;
    } | undefined;
    /** Numbers, or files as base64 or data URLs. */
    readonly data?: readonly unknown[] | undefined;
  })[];
  readonly outputs?: readonly ({
    readonly name: "probabilities" | "logits" | "features" | "activations" | "novelty";
    readonly parameters?: {
      readonly binary_data?: boolean | undefined;
      readonly classification?: number | undefined;
    } | undefined;
  })[] | undefined;
};

/** As in the Open Inference Protocol. */
export type InferenceResponse = {
  readonly model_name: string;
  readonly model_version: string;
  readonly id?: string | undefined;
  readonly outputs: readonly ({
    readonly name: "probabilities" | "logits" | "features" | "activations" | "novelty";
    readonly datatype: "FP32" | "BYTES";
    readonly shape: readonly number[];
    readonly parameters?: {
      readonly binary_data_size?: number | undefined;
    } | undefined;
    readonly data?: readonly (number | string)[] | undefined;
  })[];
};

/** As in the model repository extension of the Open Inference Protocol. */
export type RepositoryEntry = {
  readonly name: string;
  readonly version?: string | undefined;
  readonly state: "READY" | "LOADING" | "UNAVAILABLE";
  /** Why the version is not ready; empty when it is. */
  readonly reason: string;
};

export type ComparedFormat = {
  /** Backend that computed the training. */
  readonly backend: string;
  /** Version of the library. */
  readonly version: string;
  readonly sha256: Sha256;
  readonly size_bytes: number;
};

/** Red, green, blue. */
export type PerChannel = readonly number[];

export type Sha256 = string;

/** Problem details, as in RFC 9457. */
export type Problem = {
  /** The code as a URI. */
  readonly type: string;
  /** The same for all errors of the code. */
  readonly title: string;
  readonly status: number;
  /** What is wrong and what would be right. */
  readonly detail: string;
  readonly code: ErrorCode;
  /** The request as a URI. */
  readonly instance: string;
  readonly request_id: string;
  /** The trace of the request, where it has one. */
  readonly trace_id?: string | undefined;
  /** Under `/v1` and `/v2` only: the same as `detail`, for clients of the Open Inference Protocol. */
  readonly error?: string | undefined;
  /** Facts for programs, such as the limit that was exceeded. */
  readonly context?: Readonly<Record<string, unknown>> | undefined;
};

/** Stable. New codes may be added. */
export type ErrorCode = "invalid_request" | "no_image" | "empty_image" | "malformed_multipart" | "malformed_request" | "key_invalid" | "key_missing" | "scope_missing" | "rate_limited" | "cross_origin" | "host_not_allowed" | "job_not_found" | "label_not_found" | "model_not_found" | "model_not_pulled" | "pull_not_found" | "report_not_found" | "version_not_found" | "route_not_found" | "method_not_allowed" | "request_timeout" | "job_finished" | "model_not_loaded" | "model_read_only" | "format_unavailable" | "no_classifier" | "variant_unavailable" | "no_hierarchy" | "version_in_use" | "archive_too_large" | "body_too_large" | "too_many_images" | "image_too_large" | "unsupported_archive" | "unsupported_media_type" | "unsupported_image" | "archive_bomb" | "archive_corrupt" | "archive_encrypted" | "archive_unsafe" | "corrupt_image" | "dataset_layout" | "dataset_too_small" | "idempotency_key_reused" | "not_explainable" | "job_queue_full" | "queue_full" | "headers_too_large" | "internal" | "tensorflow_missing" | "training_lost" | "engine_lost" | "model_unavailable" | "storage_unavailable" | "shutting_down" | "storage_full";

/** Parameters, body and response of each operation, by its `operationId`. */
export interface Operations {
  /** Classify one or many images */
  readonly classify: {
    readonly path: Record<never, never>;
    readonly query: {
      readonly model?: ModelReference | undefined;
      readonly top_k?: TopK | undefined;
      readonly runtime?: Runtime | undefined;
      readonly variant?: Variant | undefined;
      readonly threshold?: Threshold | undefined;
      readonly hierarchy?: boolean | undefined;
      readonly tta?: "flip" | "five_crop" | undefined;
    };
    readonly body: FormData | Blob;
    readonly answer: Classification;
  };
  /** Show where in an image the model sees a class */
  readonly explain: {
    readonly path: Record<never, never>;
    readonly query: {
      readonly model?: ModelReference | undefined;
      readonly class?: string | undefined;
      readonly format?: "json" | "png" | undefined;
      readonly opacity?: number | undefined;
    };
    readonly body: FormData | Blob;
    readonly answer: Explanation;
  };
  /** Train a model on your own classes */
  readonly finetune: {
    readonly path: Record<never, never>;
    readonly query: {
      readonly name?: string | undefined;
      readonly dry_run?: boolean | undefined;
      readonly priority?: JobPriority | undefined;
      readonly backbone?: ModelReference | undefined;
      readonly promote?: "always" | "if_better" | "never" | undefined;
      readonly layers?: "last" | "all" | undefined;
      readonly depth?: "head" | "last_stage" | undefined;
      readonly search?: "none" | "quick" | "thorough" | undefined;
      readonly budget_minutes?: number | undefined;
      readonly prefer?: "accuracy" | "balanced" | "speed" | undefined;
      readonly seed?: number | undefined;
      readonly validation_share?: number | undefined;
      readonly test_share?: number | undefined;
      readonly encoding?: string | undefined;
      readonly hidden_units?: string | undefined;
      readonly dropout?: number | undefined;
      readonly learning_rate?: number | undefined;
      readonly weight_decay?: number | undefined;
      readonly batch_size?: number | undefined;
      readonly epochs?: number | undefined;
      readonly patience?: number | undefined;
      readonly label_smoothing?: number | undefined;
      readonly class_weights?: "none" | "balanced" | undefined;
      readonly corruptions?: boolean | undefined;
      readonly synsets?: string | undefined;
      readonly augmentation?: string | undefined;
      readonly copies?: number | undefined;
      readonly horizontal_flip?: boolean | undefined;
      readonly vertical_flip?: boolean | undefined;
      readonly rotation?: number | undefined;
      readonly crop_scale?: number | undefined;
      readonly brightness?: number | undefined;
      readonly contrast?: number | undefined;
      readonly noise?: number | undefined;
      readonly robust?: boolean | undefined;
    };
    readonly body: FormData | Blob;
    readonly answer: PreflightReport | Job;
  };
  /** List the jobs */
  readonly listJobs: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: {
      readonly jobs: readonly Job[];
    };
  };
  /** Get a job */
  readonly describeJob: {
    readonly path: {
      readonly id: string;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Job;
  };
  /** Cancel a job */
  readonly cancelJob: {
    readonly path: {
      readonly id: string;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Job;
  };
  /** Follow a job */
  readonly followJob: {
    readonly path: {
      readonly id: string;
    };
    readonly query: {
      readonly last_event_id?: number | undefined;
    };
    readonly body: undefined;
    readonly answer: Response | undefined;
  };
  /** Get a class or a concept above classes */
  readonly describeLabel: {
    readonly path: {
      readonly synset: Synset;
    };
    readonly query: {
      readonly model?: ModelReference | undefined;
    };
    readonly body: undefined;
    readonly answer: Concept;
  };
  /** List the models */
  readonly listModels: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelList;
  };
  /** Get the card of a model */
  readonly describeModel: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelCard;
  };
  /** Remove a version of a fine-tuned model */
  readonly removeVersion: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: undefined;
  };
  /** List the classes of a model and the concepts above them */
  readonly listLabels: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelLabels;
  };
  /** Promote a version, or roll back to it */
  readonly setAlias: {
    readonly path: {
      readonly id: ModelReference;
      readonly alias: string;
    };
    readonly query: Record<never, never>;
    readonly body: {
      readonly version: number;
    };
    readonly answer: ModelCard;
  };
  /** Remove an alias */
  readonly removeAlias: {
    readonly path: {
      readonly id: ModelReference;
      readonly alias: string;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelCard;
  };
  /** Pull the weights of a model */
  readonly pullModel: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: {
      readonly backbone_only?: boolean | undefined;
    };
    readonly body: undefined;
    readonly answer: Pull;
  };
  /** Get the state of a pull */
  readonly readPull: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Pull;
  };
  /** Stop a pull */
  readonly cancelPull: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Pull;
  };
  /** Follow a pull */
  readonly followPull: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Response | undefined;
  };
  /** Get the report of a fine-tuned model */
  readonly readReport: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: {
      readonly format?: "json" | "html" | undefined;
    };
    readonly body: undefined;
    readonly answer: TrainingReport;
  };
  /** Get thumbnails of the images in a report */
  readonly readReportPictures: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Readonly<Record<string, string>>;
  };
  /** Make the variant int8 of a model */
  readonly quantizeModel: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: {
      readonly method?: CalibrationMethod | undefined;
    };
    readonly body: FormData | Blob;
    readonly answer: Job;
  };
  /** Export a model */
  readonly exportModel: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: {
      readonly format?: "onnx" | "tfjs" | "safetensors" | "triton" | undefined;
      readonly quantize?: "float32" | "float16" | "uint8" | undefined;
      readonly variant?: Variant | undefined;
    };
    readonly body: undefined;
    readonly answer: Response;
  };
  /** List the names of models */
  readonly listModelNames: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: {
      readonly models: readonly string[];
    };
  };
  /** Compute the probabilities of all classes */
  readonly predict: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: PredictionRequest;
    readonly answer: PredictionResponse;
  };
  /** Get the state of a model */
  readonly modelState: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelState;
  };
  /** Get metadata of the server */
  readonly serverMetadata: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: {
      readonly name: "menagerie";
      readonly version: string;
      readonly extensions: readonly ("binary_tensor_data" | "classification" | "model_configuration" | "model_repository" | "statistics")[];
    };
  };
  /** Get metadata of a model */
  readonly tensorMetadata: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: TensorMetadata;
  };
  /** Get readiness of a model */
  readonly modelReady: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: {
      readonly name: string;
      readonly ready: true;
    };
  };
  /** Get the configuration of a model */
  readonly modelConfig: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelConfiguration;
  };
  /** Get counts and times of all models */
  readonly allModelStats: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelStatistics;
  };
  /** Get counts and times of a model */
  readonly modelStats: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelStatistics;
  };
  /** Compute the outputs of a model */
  readonly infer: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: InferenceRequest;
    readonly answer: InferenceResponse;
  };
  /** Get metadata of a version */
  readonly versionTensorMetadata: {
    readonly path: {
      readonly id: ModelReference;
      readonly version: string;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: TensorMetadata;
  };
  /** Get readiness of a version */
  readonly versionReady: {
    readonly path: {
      readonly id: ModelReference;
      readonly version: string;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: {
      readonly name: string;
      readonly ready: true;
    };
  };
  /** Get the configuration of a version */
  readonly versionConfig: {
    readonly path: {
      readonly id: ModelReference;
      readonly version: string;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelConfiguration;
  };
  /** Get counts and times of a version */
  readonly versionStats: {
    readonly path: {
      readonly id: ModelReference;
      readonly version: string;
    };
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: ModelStatistics;
  };
  /** Compute the outputs of a version */
  readonly inferVersion: {
    readonly path: {
      readonly id: ModelReference;
      readonly version: string;
    };
    readonly query: Record<never, never>;
    readonly body: InferenceRequest;
    readonly answer: InferenceResponse;
  };
  /** List all versions and their states */
  readonly repositoryIndex: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: {
      /** Whether to list only loaded versions. */
      readonly ready?: boolean | undefined;
    } | undefined;
    readonly answer: readonly RepositoryEntry[];
  };
  /** Load a model */
  readonly loadModel: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: {
      readonly parameters?: {
        readonly unload_dependents?: false | undefined;
      } | undefined;
    } | undefined;
    readonly answer: RepositoryEntry;
  };
  /** Unload a model */
  readonly unloadModel: {
    readonly path: {
      readonly id: ModelReference;
    };
    readonly query: Record<never, never>;
    readonly body: {
      readonly parameters?: {
        readonly unload_dependents?: false | undefined;
      } | undefined;
    } | undefined;
    readonly answer: RepositoryEntry;
  };
  /** Get liveness */
  readonly live: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: {
      readonly live: true;
    };
  };
  /** Get readiness */
  readonly ready: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: {
      readonly ready: true;
      /** Faults although requests are answered, such as an engine or a training process that did not respond. */
      readonly warnings: readonly string[];
    };
  };
  /** Get metrics for Prometheus */
  readonly metrics: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Response;
  };
  /** Get what the sender of this request may do */
  readonly readSession: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Session;
  };
  /** Exchange a key for a cookie */
  readonly startSession: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: {
      readonly key: string;
    };
    readonly answer: Session;
  };
  /** Remove the cookie */
  readonly endSession: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: undefined;
  };
  /** Open the page */
  readonly index: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: {
      readonly name: "menagerie";
      readonly version: string;
      readonly links: Readonly<Record<string, string>>;
    };
  };
  /** Open this documentation */
  readonly docs: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Response;
  };
  /** Get this document */
  readonly openapi: {
    readonly path: Record<never, never>;
    readonly query: Record<never, never>;
    readonly body: undefined;
    readonly answer: Response;
  };
}

/** Method and path of each operation. */
export const OPERATIONS = {
  classify: { method: 'POST', path: '/classify' },
  explain: { method: 'POST', path: '/explain' },
  finetune: { method: 'POST', path: '/finetune' },
  listJobs: { method: 'GET', path: '/jobs' },
  describeJob: { method: 'GET', path: '/jobs/{id}' },
  cancelJob: { method: 'DELETE', path: '/jobs/{id}' },
  followJob: { method: 'GET', path: '/jobs/{id}/events' },
  describeLabel: { method: 'GET', path: '/labels/{synset}' },
  listModels: { method: 'GET', path: '/models' },
  describeModel: { method: 'GET', path: '/models/{id}' },
  removeVersion: { method: 'DELETE', path: '/models/{id}' },
  listLabels: { method: 'GET', path: '/models/{id}/labels' },
  setAlias: { method: 'PUT', path: '/models/{id}/aliases/{alias}' },
  removeAlias: { method: 'DELETE', path: '/models/{id}/aliases/{alias}' },
  pullModel: { method: 'POST', path: '/models/{id}/pull' },
  readPull: { method: 'GET', path: '/models/{id}/pull' },
  cancelPull: { method: 'DELETE', path: '/models/{id}/pull' },
  followPull: { method: 'GET', path: '/models/{id}/pull/events' },
  readReport: { method: 'GET', path: '/models/{id}/report' },
  readReportPictures: { method: 'GET', path: '/models/{id}/report/pictures' },
  quantizeModel: { method: 'POST', path: '/models/{id}/quantize' },
  exportModel: { method: 'GET', path: '/models/{id}/export' },
  listModelNames: { method: 'GET', path: '/v1/models' },
  predict: { method: 'POST', path: '/v1/models/{id}:predict' },
  modelState: { method: 'GET', path: '/v1/models/{id}' },
  serverMetadata: { method: 'GET', path: '/v2' },
  tensorMetadata: { method: 'GET', path: '/v2/models/{id}' },
  modelReady: { method: 'GET', path: '/v2/models/{id}/ready' },
  modelConfig: { method: 'GET', path: '/v2/models/{id}/config' },
  allModelStats: { method: 'GET', path: '/v2/models/stats' },
  modelStats: { method: 'GET', path: '/v2/models/{id}/stats' },
  infer: { method: 'POST', path: '/v2/models/{id}/infer' },
  versionTensorMetadata: { method: 'GET', path: '/v2/models/{id}/versions/{version}' },
  versionReady: { method: 'GET', path: '/v2/models/{id}/versions/{version}/ready' },
  versionConfig: { method: 'GET', path: '/v2/models/{id}/versions/{version}/config' },
  versionStats: { method: 'GET', path: '/v2/models/{id}/versions/{version}/stats' },
  inferVersion: { method: 'POST', path: '/v2/models/{id}/versions/{version}/infer' },
  repositoryIndex: { method: 'POST', path: '/v2/repository/index' },
  loadModel: { method: 'POST', path: '/v2/repository/models/{id}/load' },
  unloadModel: { method: 'POST', path: '/v2/repository/models/{id}/unload' },
  live: { method: 'GET', path: '/v2/health/live' },
  ready: { method: 'GET', path: '/v2/health/ready' },
  metrics: { method: 'GET', path: '/metrics' },
  readSession: { method: 'GET', path: '/session' },
  startSession: { method: 'POST', path: '/session' },
  endSession: { method: 'DELETE', path: '/session' },
  index: { method: 'GET', path: '/' },
  docs: { method: 'GET', path: '/docs' },
  openapi: { method: 'GET', path: '/openapi.yaml' },
} as const satisfies Record<keyof Operations, { readonly method: string; readonly path: string }>;
