import { percent } from './percent.ts';
import { type Facts, isImprecise, weakClasses } from './verdict.ts';

/** A training accuracy this far above the validation accuracy means overfitting. */
const OVERFIT = 0.15;

/** What to do to improve the model, one step each; empty when nothing stands out. */
export function nextSteps({ test, training, dataset }: Facts): string[] {
  if (test === null) return ['Keep some images for testing (option test_share) and train again.'];
  const steps: string[] = [];
  if (test.interval[1] < test.baselines.nearest_neighbours.accuracy) {
    steps.push(
      'Search for better settings (option search) or try another backbone: with the same features, a method ' +
        'without training does better.',
    );
  }
  const [pair] = test.confused_pairs;
  if (pair && pair.count > 1) {
    steps.push(
      `Look at the images of “${pair.label}” that were classified as “${pair.predicted}”. Correct wrong ` +
        'labels. If the labels are right, add more images of both classes.',
    );
  }
  const weak = weakClasses(test);
  if (weak.length > 0) {
    const names = weak
      .slice(0, 3)
      .map(
        (row) =>
          `“${row.class}” (${dataset.preflight.classes.find(({ name }) => name === row.class)?.train ?? 0} so far)`,
      );
    steps.push(`Add training images for the weakest classes: ${names.join(', ')}.`);
  }
  const best = training.history.find(({ epoch }) => epoch === training.best_epoch);
  if (best?.val_accuracy !== undefined && best.accuracy - best.val_accuracy > OVERFIT) {
    steps.push(
      'The model does much better on its training images than on new ones. Add training images, or use more ' +
        'augmented copies (option augmentation).',
    );
  }
  if (training.history.length > 0 && training.best_epoch === training.settings.epochs) {
    steps.push('The last epoch was the best one. Train for more epochs (option epochs).');
  }
  const [ahead] = training.learning_curve?.forecasts ?? [];
  const now = training.learning_curve?.points.at(-1);
  if (ahead && now) {
    const [low, high] = ahead.interval;
    steps.push(
      `Add images: by the learning curve, with about ${Math.round(ahead.images_per_class)} per class instead of ` +
        `${Math.round(now.images_per_class)} expect ${percent(ahead.accuracy)} (${percent(low)} to ${percent(high)}) ` +
        `where it is ${percent(now.accuracy)} today, cross-validated.`,
    );
  }
  if (isImprecise(test)) {
    steps.push(`Use more test images: with ${test.images}, the accuracy is only a rough estimate.`);
  }
  if (test.unknown.reached && test.unknown.threshold > 0 && test.unknown.accuracy > test.accuracy) {
    steps.push(
      'If a wrong answer costs more than no answer, use only answers with at least ' +
        `${percent(test.unknown.threshold)} confidence.`,
    );
  }
  return steps;
}
