import type { SynsetSource } from './class-synsets.ts';
import type { Dataset } from './dataset.ts';
import type { DatasetWarning, UnusedReason } from './dataset-layout.ts';
import type { UnreadableImage } from './inspected-image.ts';
import type { Split } from './split-names.ts';

/** An image in the report. */
export interface ReportedFile {
  readonly file: string;
  readonly label: string;
  /** Absent where the data set does not give one. */
  readonly split?: Split;
}

/** A concept of WordNet. */
export interface ReportedConcept {
  readonly synset: string;
  readonly label: string;
  readonly gloss?: string;
}

/** A class, its images in total and by split, and the concept that it shows. */
export interface ReportedClass extends Readonly<Record<Split, number>> {
  readonly name: string;
  readonly images: number;
  /** The concept of its synset, with the label of WordNet; of a synset that the zoo does not know, the synset alone. */
  readonly concept?: {
    readonly synset: string;
    readonly label?: string;
    readonly gloss?: string;
    readonly from: SynsetSource;
  };
  /** Without a synset: concepts that are called like it, which count once `synsets` says so. */
  readonly suggestions?: readonly ReportedConcept[];
}

/** Groups of files. */
export interface ReportedGroups {
  /** Number of all groups. */
  readonly count: number;
  /** The first groups. */
  readonly examples: readonly (readonly ReportedFile[])[];
}

/**
 * The findings of the inspection of a data set, in the spelling of the API: clients get this document. Lists of
 * examples are cut, counts are not.
 */
export interface PreflightReport {
  readonly layout: Dataset['layout'];
  /** A sentence that says how the images are used. */
  readonly will_train: string;
  /** Images that will be used, by class. */
  readonly classes: readonly ReportedClass[];
  readonly images: {
    readonly labelled: number;
    readonly unreadable: number;
    /** Readable, but with several labels or in several splits. */
    readonly left_out: number;
    readonly used: number;
    /** Images labelled `_unknown`, which show none of the classes; absent when there are none. */
    readonly negative?: number;
  } & Readonly<Record<Split, number>>;
  /** Images of the largest class divided by those of the smallest; null when a class has none. */
  readonly imbalance: number | null;
  readonly split: { readonly seed: number; readonly validation_share: number; readonly test_share: number };
  readonly unreadable: { readonly count: number; readonly examples: readonly UnreadableImage[] };
  readonly ignored: {
    readonly count: number;
    readonly reasons: readonly {
      readonly reason: UnusedReason;
      readonly count: number;
      readonly examples: readonly string[];
    }[];
  };
  /** Files in tables that do not exist. */
  readonly missing: { readonly count: number; readonly examples: readonly string[] };
  /** Exact copies with one label in one split. */
  readonly duplicates: ReportedGroups;
  /** Exact copies with several labels. */
  readonly conflicting_labels: ReportedGroups;
  /** Exact copies in several of the splits that the data set gives. */
  readonly leakage: ReportedGroups;
  /** Pairs that look alike. The search ends at the limit of examples, so `count` is not more than that. */
  readonly near_duplicates: ReportedGroups;
  /** Images that must be enlarged to the size of the model's input. */
  readonly small_images: {
    readonly count: number;
    readonly minimum: readonly [height: number, width: number];
    readonly examples: readonly { readonly file: string; readonly width: number; readonly height: number }[];
  };
  readonly warnings: readonly DatasetWarning[];
}
