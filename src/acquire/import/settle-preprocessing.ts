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
 * Decides between sources. The user has the last word. A network that scales its pixels goes before files and metadata,
 * which mostly describe the network as it was before the scaling was put into it: pixels are never scaled twice.
 */
export function settlePreprocessing({ defaults, beside, inside, shown, given }: Sources): Settled {
  const said = { ...preprocessingOf(beside), ...preprocessingOf(inside) };
  const scaling = shown && { mean: shown.mean, std: shown.std };
  const known = { ...said, ...scaling, ...given };
  const notes: string[] = [];
  const warnings: string[] = [];
  for (const [source, facts] of [
    ['A file beside the model', beside],
    ['The metadata of the model', inside],
  ] as const) {
    if (shown === undefined || isSame(shown, facts)) continue;
    notes.push(`${source} gives another mean and std, which are not applied: ${shown.reason}.`);
  }
  if (shown !== undefined && !isSame(shown, given)) {
    warnings.push(`The given mean and std are applied, but ${shown.reason}: pixels are probably scaled twice.`);
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
