import type { TensorFlow } from '../../runtime/tensorflow.ts';
import { type DatasetFeatures, lastLayers } from '../features/dataset-features.ts';
import type { TrainingModel } from '../features/feature-network.ts';
import { defaultHyperparameters, type Hyperparameters } from '../head/hyperparameters.ts';
import { fitRidge } from '../head/ridge-regression.ts';
import { trainLayers } from '../head/training-loop.ts';
import { fitMahalanobis } from '../novelty/mahalanobis.ts';
import type { Rung } from './rungs.ts';
import type { SearchClock } from './search-clock.ts';
import { hyperparametersFor, type SearchCandidate, shortened } from './space.ts';
import { descentWork, headWork, ridgeWork } from './training-work.ts';

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

/** Predicts what trials and the training after them will take, in milliseconds, by a clock that measures their parts. */
export class CostModel {
  readonly #clock: SearchClock;
  readonly #input: CostModelInput;
  readonly #computed = new Map<string, ImageCount>();
  /** Number of features of all layers of a backbone. */
  readonly #dimensions = new Map<string, number>();

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
   * Measures what the parts of the training after the search cost. Each runs once before: the first time takes longer,
   * since its code is not yet compiled.
   */
  async probe(tf: TensorFlow, features: DatasetFeatures): Promise<void> {
    const { classes, seed, copies, train } = this.#input;
    const { set, labels } = features.train;
    const last = lastLayers(features, 1).train.set;
    const { batchSize } = defaultHyperparameters(train * (1 + copies), set.dimension, seed);
    const hyperparameters = {
      ...defaultHyperparameters(labels.length, set.dimension, seed),
      ...{ batchSize, epochs: PROBED_EPOCHS },
    };
    const descend = () => trainLayers(tf, { classes, train: { features: set.originals, labels } }, hyperparameters);
    const work = descentWork(labels.length * PROBED_EPOCHS, { ...set, classes, hiddenUnits: [], batchSize });
    fitRidge(tf, { set, labels, augmented: false }, classes, [1]);
    await descend();
    await this.#clock.measure('descent', () => work, descend);
    await this.#clock.measure(
      'detector',
      () => last.dimension,
      () => fitMahalanobis(tf, { features: last.originals, labels }, seed),
    );
  }

  /** Computes features. `compute` tells how many passes of the network that took. */
  async measureFeatures<T extends { readonly passes: number }>(
    backbone: string,
    compute: () => Promise<T>,
  ): Promise<T> {
    let passes = 0;
    return await this.#clock.measure(
      featuresOf(backbone),
      () => passes,
      async () => {
        const computed = await compute();
        passes = computed.passes;
        return computed;
      },
    );
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
    return this.#clock.predict(featuresOf(backbone), this.#passes(backbone, count));
  }

  /** To evaluate a candidate, features left out. */
  evaluation(candidate: SearchCandidate, rung: Rung, penalties: number): number {
    return this.#clock.predict(kindOf(candidate), this.#work(candidate, rung, penalties));
  }

  /**
   * The training after the search, when a candidate is chosen and no more features are there than now, or those of
   * `planned` too.
   */
  training({ backbone, solved, copies: choice, hiddenUnits }: SearchCandidate, planned?: ImageCount): number {
    const { images, train, validation, classes, few, fixed, furtherPasses } = this.#input;
    const copies = !solved && choice === 'none' ? 0 : this.#input.copies;
    const all = this.#passes(backbone, { originals: images, copies: train * copies });
    const passes = Math.max(0, all - (planned === undefined ? 0 : this.#passes(backbone, planned)));
    const dimension = this.#dimension(backbone);
    const { ridge, descent, detectors } = headWork({
      ...{ train, validation, classes, copies, dimension, hiddenUnits, few, fixed },
    });
    const time =
      this.#clock.predict(featuresOf(backbone), passes + furtherPasses(copies)) +
      this.#clock.predict('ridge', ridge) +
      this.#clock.predict('descent', descent) +
      // A detector reads the last layer, which has about half of the features.
      this.#clock.predict('detector', (detectors * dimension) / 2);
    return MARGIN * time + FINISHING_MS;
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
