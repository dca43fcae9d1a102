import type { ComparedVariant } from '../library/zoo.ts';

/** Says what a form of a model loses and gains beside floats. */
export function comparisonLines({ variant, images, agreement, accuracy, speed, ...sizes }: ComparedVariant): string[] {
  const { floatMs, roundedMs, ratio } = speed;
  return [
    `as ${variant}, beside floats in the same runtime:`,
    ...(accuracy === undefined
      ? []
      : [
          `  accuracy ${percent(accuracy.rounded)} instead of ${percent(accuracy.float)}, on ${accuracy.images} images`,
        ]),
    `  same first class on ${percent(agreement)} of ${images} images`,
    `  ${megabytes(sizes.sizeBytes)} instead of ${megabytes(sizes.floatSizeBytes)}`,
    `  ${roundedMs.toFixed(1)} ms instead of ${floatMs.toFixed(1)} ms on one thread: ${ratio.toFixed(2)} times as fast`,
  ];
}

function percent(share: number): string {
  return `${(100 * share).toFixed(1)} %`;
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
