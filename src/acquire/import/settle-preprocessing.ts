import { type FoundFacts, preprocessingOf } from './found-facts.ts';
import type { PreprocessingFields } from './preprocessing-defaults.ts';

type Fields = Partial<PreprocessingFields>;

/** What says how the pixels of a model are made. */
interface Sources {
  /** Guesses. */
  readonly defaults: Fields;
  /** What files beside the model say, and which. */
  readonly beside: FoundFacts;
  /** What the metadata in the model says. */
  readonly inside: FoundFacts;
  /** What the network itself shows, and how, as a part of a sentence. */
  readonly shown: ShownScaling | undefined;
  /** What the user says. */
  readonly given: Fields;
}

/** Mean and std that a network shows to be right. */
export interface ShownScaling extends Pick<PreprocessingFields, 'mean' | 'std'> {
  readonly reason: string;
  /** Whether another scaling before that of the network cannot be meant. It may be when the network only divides. */
  readonly isWhole: boolean;
}

interface Settled {
  readonly fields: Fields;
  /** Fields that nothing but a guess determines. */
  readonly guessed: readonly string[];
  /** As sentences: what was not followed, and why; what is probably wrong. */
  readonly notes: readonly string[];
  readonly warnings: readonly string[];
}

/**
 * Decides between sources. The user has the last word. A network that normalises its pixels goes before files and
 * metadata, which mostly describe the network as it was before that was put into it: pixels are never scaled twice. A
 * file that gives mean and std for a network that only divides its pixels is followed, with a warning.
 */
export function settlePreprocessing({ defaults, beside, inside, shown, given }: Sources): Settled {
  const [file, metadata] = [preprocessingOf(beside), preprocessingOf(inside)];
  const isFollowed = shown !== undefined && (shown.isWhole || file.mean === undefined);
  const scaling = isFollowed ? { mean: shown.mean, std: shown.std } : {};
  const known = { ...beside.range, ...file, ...inside.range, ...metadata, ...scaling, ...given };
  const notes: string[] = [];
  const warnings: string[] = [];
  const differs = (said: Fields = {}): said is Fields => shown !== undefined && !isSame(shown, said);
  if (isFollowed) {
    const refused = [
      ...(differs(file) || differs(beside.range) ? ['A file beside the model'] : []),
      ...(differs(metadata) || differs(inside.range) ? ['The metadata of the model'] : []),
    ];
    notes.push(...refused.map((source) => `${source} gives other pixels; they are not taken, since ${shown.reason}.`));
  } else if (shown !== undefined && given.mean === undefined && differs(file)) {
    warnings.push(
      `A file beside the model gives mean and std; they are applied, but ${shown.reason}. If its maker put all ` +
        `scaling into the model, give --mean ${shown.mean.join()} --std ${shown.std.join()}.`,
    );
  }
  if (differs(given)) {
    warnings.push(`The given mean and std are applied, but ${shown?.reason}: pixels are probably scaled twice.`);
  }
  const fields = { ...defaults, ...known };
  return { fields, guessed: Object.keys(defaults).filter((field) => !(field in known)), notes, warnings };
}

/** Whether fields name the same scaling, or none. */
function isSame(shown: ShownScaling, { mean, std }: Fields): boolean {
  const isClose = (wanted: readonly number[], other: readonly number[] = wanted) =>
    wanted.every((value, channel) => Math.abs(value - (other[channel] ?? Number.NaN)) <= 1e-3 * Math.max(1e-3, value));
  return isClose(shown.mean, mean) && isClose(shown.std, std);
}
