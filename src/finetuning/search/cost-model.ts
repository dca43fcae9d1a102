import { seededRandom } from '../../common/random.ts';
import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';
import type { TrainingModel } from '../features/feature-network.ts';
import { samplesOf } from '../features/feature-set.ts';
import { stratifiedFolds } from '../head/cross-validation.ts';
import { defaultHyperparameters, type Hyperparameters } from '../head/hyperparameters.ts';
import { fitRidge } from '../head/ridge-regression.ts';
import { trainLayers } from '../head/training-loop.ts';
import { trainDetector } from '../novelty/train-detector.ts';
import type { RungFeatures } from './rung-features.ts';
import type { Rung } from './rungs.ts';
import type { SearchClock } from './search-clock.ts';
import { hyperparametersFor, type SearchCandidate, shortened } from './space.ts';
import { descentWork, detectorWork, type HeadWork, headWork, ridgeWork } from './training-work.ts';

/** Images of a split or rung and their copies. */
export interface ImageCount {
  readonly originals: number;
  readonly copies: number;
}

/** What the costs depend on. */
export interface CostModelInput {
  /** Images in all splits, and in those that are trained on. */
  readonly images: number;
  readonly train: number;
  readonly validation: number;
  readonly test: number;
  readonly classes: number;
  /** Copies of each training image that the options ask for. */
  readonly copies: number;
  readonly seed: number;
  readonly fixed: Partial<Hyperparameters>;
  /** Passes of the network in the training after the search, beside those for images and their copies. */
  readonly furtherPasses: (copies: number) => number;
  /** Whether the head of the model is solved for. */
  readonly few: boolean;
  /** Milliseconds of a backbone for one image on one thread. */
  readonly latencyOf: (backbone: string) => number;
}

/** Decoding an image, or varying it, takes about so many milliseconds more than the network alone. */
const DECODING_MS = 2;
/** Of what is kept for the training, for what is not predicted: no machine works at the same pace all the time. */
const MARGIN = 1.15;
/** For pictures, files and the start of processes, in milliseconds. */
const FINISHING_MS = 2000;
/** Epochs that measure the cost of a gradient descent. */
const PROBED_EPOCHS = 10;
/** More images may need this many times the epochs that a few needed until early stopping. */
const MORE_EPOCHS = 1.5;
/** Of the probe's images, one in so many is for validation. */
const PROBED_FOLDS = 3;
/** Stream of the seed that draws them. */
const PROBING = 17;

/** Predicts what trials and the training after them will take, in milliseconds, by a clock that measures their parts. */
export class CostModel {
  readonly #clock: SearchClock;
  readonly #input: CostModelInput;
  readonly #computed = new Map<string, ImageCount>();
  /** Number of features of all layers of a backbone. */
  readonly #dimensions = new Map<string, number>();
  /** Share of the epochs that the training after the search is expected to need. */
  #epochsShare = 1;

  constructor(clock: SearchClock, input: CostModelInput) {
    this.#clock = clock;
    this.#input = input;
  }

  /** Has to be called with a backbone before anything else is asked about it. */
  add({ name, manifest }: TrainingModel): void {
    if (this.#dimensions.has(name)) return;
    this.#clock.guess(featuresOf(name), this.#input.latencyOf(name) + DECODING_MS);
    // Until its layers are known: those before the last have about as many features together.
    this.#dimensions.set(name, 2 * manifest.num_features);
  }

  /** Notes features that are there now, and their layers where these are known. */
  note(backbone: string, { originals, copies }: ImageCount, layers?: DatasetFeatures['layers']): void {
    const before = this.#computed.get(backbone) ?? { originals: 0, copies: 0 };
    this.#computed.set(backbone, {
      originals: Math.max(originals, before.originals),
      copies: Math.max(copies, before.copies),
    });
    if (layers !== undefined)
      this.#dimensions.set(
        backbone,
        layers.reduce((sum, { size }) => sum + size, 0),
      );
  }

  /**
   * Measures what the parts of the training after the search cost, and on a third of the images, how soon early stopping
   * ends a gradient descent. That one comes before the measured one, since the first takes longer: its code is not yet
   * compiled.
   */
  async probe(tf: TensorFlow, features: DatasetFeatures): Promise<void> {
    const { classes, seed, copies, train, few, fixed } = this.#input;
    const { set, labels } = features.train;
    const images = { set, labels, augmented: false };
    const folds = stratifiedFolds(labels, PROBED_FOLDS, seededRandom(seed, PROBING));
    const part = samplesOf(images, (image) => folds[image] !== 0);
    const validation = samplesOf(images, (image) => folds[image] === 0);
    fitRidge(tf, images, classes, [1]);
    if (!few) {
      const own = { ...defaultHyperparameters(part.labels.length, set.dimension, seed), ...fixed };
      const { history } = await trainLayers(tf, { classes, train: part, validation }, own);
      this.#epochsShare = Math.min(1, (MORE_EPOCHS * history.length) / own.epochs);
      const { batchSize } = { ...defaultHyperparameters(train * (1 + copies), set.dimension, seed), ...fixed };
      const work = descentWork(part.labels.length * PROBED_EPOCHS, { ...set, classes, hiddenUnits: [], batchSize });
      const hyperparameters = { ...own, batchSize, epochs: PROBED_EPOCHS, hiddenUnits: [] };
      await this.#clock.measure(
        'descent',
        () => work,
        () => trainLayers(tf, { classes, train: part }, hyperparameters),
      );
    }
    const counts = { train: part.labels.length, validation: validation.labels.length, test: 0 };
    const probed = {
      ...features,
      train: { labels: part.labels, set: { name: set.name, dimension: set.dimension, originals: part.features } },
      ...{ validation, test: { features: new Float32Array(), labels: new Int32Array() } },
    };
    const { dimension } = lastLayers(probed, 1).train.set;
    await this.#clock.measure(
      'detector',
      () => detectorWork(counts, dimension, classes),
      () => trainDetector(tf, { features: probed, classes, seed, layers: [] }),
    );
  }

  /** Computes features, and measures opening the network apart from its passes, whose number may be any. */
  async measureFeatures<T extends Pick<RungFeatures, 'passes' | 'opening'>>(
    backbone: string,
    compute: () => Promise<T>,
  ): Promise<T> {
    const left = this.#clock.left;
    const computed = await compute();
    const { passes, opening } = computed;
    this.#clock.note('opening', 1, opening);
    this.#clock.note(featuresOf(backbone), passes, left - this.#clock.left - opening);
    return computed;
  }

  /** Evaluates a candidate on a rung. @param penalties that are compared when its head is solved for */
  measureEvaluation<T>(
    candidate: SearchCandidate,
    rung: Rung,
    penalties: number,
    evaluate: () => Promise<T>,
  ): Promise<T> {
    const work = this.#work(candidate, rung, penalties);
    return this.#clock.measure(kindOf(candidate), () => work, evaluate);
  }

  /** To compute the features of so many images of a backbone, without those that are there. */
  features(backbone: string, count: ImageCount): number {
    return this.#clock.predict('opening', 1) + this.#predictPasses(backbone, this.#passes(backbone, count));
  }

  /** To evaluate a candidate, features left out. */
  evaluation(candidate: SearchCandidate, rung: Rung, penalties: number): number {
    return this.#clock.predict(kindOf(candidate), this.#work(candidate, rung, penalties));
  }

  /**
   * The training after the search, when a candidate is chosen and no more features are there than now, or those of
   * `planned` too.
   */
  training(candidate: SearchCandidate, planned?: ImageCount): number {
    const { backbone } = candidate;
    const { images, train, furtherPasses } = this.#input;
    const copies = this.#copies(candidate);
    const all = this.#passes(backbone, { originals: images, copies: train * copies });
    const passes = Math.max(0, all - (planned === undefined ? 0 : this.#passes(backbone, planned)));
    const { ridge, descent } = this.#headWork(candidate);
    const time =
      this.#clock.predict('opening', 1) +
      this.#predictPasses(backbone, passes + furtherPasses(copies)) +
      this.#clock.predict('ridge', ridge) +
      this.#clock.predict('descent', descent);
    return MARGIN * time + this.finishing(candidate);
  }

  /** What comes after the head is trained: its detector and its files. Part of `training`. */
  finishing(candidate: SearchCandidate): number {
    return MARGIN * this.#clock.predict('detector', this.#headWork(candidate).detector) + FINISHING_MS;
  }

  #headWork(candidate: SearchCandidate): HeadWork {
    const { backbone, solved, hiddenUnits } = candidate;
    const copies = this.#copies(candidate);
    const shape = { dimension: this.#dimension(backbone), hiddenUnits };
    return headWork({ ...this.#input, ...shape, copies, tuned: solved, epochsShare: this.#epochsShare });
  }

  /** Copies of each training image that the model of a candidate is trained on. */
  #copies({ solved, copies }: SearchCandidate): number {
    return solved || copies === 'given' ? this.#input.copies : 0;
  }

  #predictPasses(backbone: string, passes: number): number {
    return this.#clock.predict(featuresOf(backbone), passes);
  }

  #passes(backbone: string, { originals, copies }: ImageCount): number {
    const done = this.#computed.get(backbone) ?? { originals: 0, copies: 0 };
    return Math.max(0, originals - done.originals) + Math.max(0, copies - done.copies);
  }

  #work({ backbone, solved, copies, ...head }: SearchCandidate, { images, folds }: Rung, penalties: number): number {
    const { classes, fixed, seed } = this.#input;
    const dimension = this.#dimension(backbone);
    if (solved) return ridgeWork(images, dimension, penalties);
    const rows = images * (copies === 'given' ? 1 + this.#input.copies : 1);
    const trained = (rows * (folds - 1)) / folds;
    const { epochs, batchSize } = shortened(hyperparametersFor(head, fixed, seed, trained, dimension));
    return descentWork(folds * trained * epochs, { dimension, classes, hiddenUnits: head.hiddenUnits, batchSize });
  }

  #dimension(backbone: string): number {
    return this.#dimensions.get(backbone) ?? 0;
  }
}

/** The clock's kinds of work. */
function featuresOf(backbone: string): string {
  return `features of ${backbone}`;
}

function kindOf({ solved }: SearchCandidate): string {
  return solved ? 'ridge' : 'descent';
}
