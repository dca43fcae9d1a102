import { nearestNames } from '../common/nearest-name.ts';

/** What a manifest says that matters for short names. */
type Weights = { readonly name: string; readonly recommended?: true | undefined };

/** The part of a name before the dot: the architecture, `resnet50` of `resnet50.tv_in1k`. */
function architectureOf(name: string): string {
  return name.split('.', 1)[0] ?? name;
}

/**
 * The weights that the name of an architecture means: the only ones, or the only recommended ones of several.
 * @returns undefined when there are none, or when none or several are recommended
 */
export function meantBy(architecture: string, weights: readonly Weights[]): string | undefined {
  const own = weights.filter(({ name }) => name.startsWith(`${architecture}.`));
  const [only, ...others] = own.length > 1 ? own.filter(({ recommended }) => recommended) : own;
  return others.length === 0 ? only?.name : undefined;
}

/** What an unknown name may mean, in words: other weights of its architecture, or the nearest names. */
export function suggestionFor(unknown: string, names: readonly string[]): string | undefined {
  const others = names.filter((name) => name.startsWith(`${architectureOf(unknown)}.`)).sort();
  if (others.length > 0) return `of this architecture there are ${others.join(', ')}`;
  const known = unknown.includes('.') ? names : [...new Set(names.map(architectureOf))];
  const near = nearestNames(unknown, known);
  return near.length > 0 ? `did you mean ${near.join(', ')}?` : undefined;
}
