import type { TestReport, TrainingReport } from './report-schema.ts';

/** A report that is not judged yet. */
type Facts = Omit<TrainingReport, 'verdict' | 'next_steps'>;
type Finding = TrainingReport['verdict'][number];

/** Recall this far below the accuracy makes a class worth a warning. */
const WEAK_CLASS = 0.2;
/** Share of a class that is taken for one other class from which on it is worth a warning. */
const OFTEN_CONFUSED = 0.15;
/** An interval wider than this leaves too much open. */
const WIDE_INTERVAL = 0.1;
/** Confidences that miss the accuracy by more than this on average mislead whoever reads them. */
const POOR_CALIBRATION = 0.1;
/** Training accuracy this far above the validation accuracy means that images were learnt by heart. */
const OVERFIT = 0.15;
/** Warnings of the preflight that make the figures kinder than they should be. */
const FLATTERING: ReadonlySet<string> = new Set(['near_duplicates', 'leakage']);

/** What the figures mean for whoever decides whether to ship the model; most important first. */
export function verdictOf({ model, test, dataset }: Facts): Finding[] {
  if (test === null) {
    return [{ level: 'bad', text: 'No image was kept for testing, so nobody knows how often the model is right.' }];
  }
  return [
    headline(model.name, test),
    ...againstGuessing(test),
    ...againstNeighbours(test),
    ...againstCurrent(test),
    ...precision(test),
    ...confusions(test),
    ...threshold(test),
    ...calibrationFinding(test),
    ...flattery(dataset),
  ];
}

/** A share as a percentage, such as `93.2%`. */
export function percent(share: number): string {
  return `${(100 * share).toFixed(1)}%`;
}

/** Each step says what to do; none when nothing stands out. */
export function nextSteps({ test, training, dataset }: Facts): string[] {
  if (test === null) return ['Keep some images for testing (test_share), and train again.'];
  const steps: string[] = [];
  if (test.interval[1] < test.baselines.nearest_neighbours.accuracy) {
    steps.push(
      'Let the settings be searched for (search), or try another backbone: the features can do better than this.',
    );
  }
  const [pair] = test.confused_pairs;
  if (pair && pair.count > 1) {
    steps.push(
      `Look at the images of “${pair.label}” that were taken for “${pair.predicted}”. Correct labels that are wrong; if they are right, add more images of both.`,
    );
  }
  const weak = weakClasses(test);
  if (weak.length > 0) {
    const names = weak
      .slice(0, 3)
      .map((row) => `“${row.class}” (${dataset.preflight.classes.find(({ name }) => name === row.class)?.train ?? 0})`);
    steps.push(`Add training images of the classes that fare worst; those there are: ${names.join(', ')}.`);
  }
  const last = training.history.find(({ epoch }) => epoch === training.best_epoch);
  if (last?.val_accuracy !== undefined && last.accuracy - last.val_accuracy > OVERFIT) {
    steps.push(
      'The model knows its training images better than new ones: more images, or more augmented copies, will help.',
    );
  }
  if (training.history.length > 0 && training.best_epoch === training.settings.epochs) {
    steps.push('The last epoch was the best: train for more epochs.');
  }
  if (isRough(test)) steps.push(`Test on more images: ${test.images} give no better than a rough figure.`);
  if (test.unknown.reached && test.unknown.threshold > 0 && test.unknown.accuracy > test.accuracy) {
    steps.push(
      `Where a wrong answer costs more than none, use the threshold of ${percent(test.unknown.threshold)} for “unknown”.`,
    );
  }
  return steps;
}

function headline(name: string, { accuracy, interval, images, baselines }: TestReport): Finding {
  const [low, high] = interval;
  return {
    level:
      low > baselines.majority_class.accuracy && high >= baselines.nearest_neighbours.accuracy ? 'good' : 'caution',
    text:
      `${name} is right on ${percent(accuracy)} of ${images} test images that it never saw in training; ` +
      `on many more such images it would very likely be between ${percent(low)} and ${percent(high)}.`,
  };
}

function againstGuessing({ accuracy, interval, baselines: { majority_class: guess } }: TestReport): Finding[] {
  const guessing = `always answering “${guess.class}” (${percent(guess.accuracy)})`;
  if (interval[0] > guess.accuracy) return [{ level: 'good', text: `It is clearly better than ${guessing}.` }];
  if (accuracy > guess.accuracy)
    return [{ level: 'caution', text: `It is better than ${guessing}, but that may be chance.` }];
  return [{ level: 'bad', text: `It is no better than ${guessing}: it has learnt nothing of use.` }];
}

function againstNeighbours({ accuracy, interval, baselines: { nearest_neighbours: nearest } }: TestReport): Finding[] {
  const rival = `the 5 most similar training images (${percent(nearest.accuracy)}), which takes no training`;
  if (interval[0] > nearest.accuracy) return [{ level: 'good', text: `It is clearly better than a vote of ${rival}.` }];
  if (interval[1] < nearest.accuracy) return [{ level: 'bad', text: `It is clearly worse than a vote of ${rival}.` }];
  return [
    accuracy > nearest.accuracy
      ? { level: 'good', text: `It is a little better than a vote of ${rival}; that may be chance.` }
      : { level: 'caution', text: `It is no better than a vote of ${rival}.` },
  ];
}

function againstCurrent({ accuracy, current }: TestReport): Finding[] {
  if (!current) return [];
  const rival = `version ${current.version} of ${current.model}, which is right on ${percent(current.accuracy)} of the same images`;
  if (accuracy > current.accuracy) return [{ level: 'good', text: `It is better than ${rival}.` }];
  return [
    accuracy === current.accuracy
      ? { level: 'caution', text: `It is as good as ${rival}, and no better.` }
      : { level: 'bad', text: `It is worse than ${rival}.` },
  ];
}

function isRough({ interval }: TestReport): boolean {
  return interval[1] - interval[0] > WIDE_INTERVAL;
}

function precision(test: TestReport): Finding[] {
  if (!isRough(test)) return [];
  const points = Math.round((test.interval[1] - test.interval[0]) * 100);
  return [
    {
      level: 'caution',
      text: `The figure is rough: ${test.images} test images leave it open within ${points} percentage points.`,
    },
  ];
}

function weakClasses({ per_class, accuracy }: TestReport): TestReport['per_class'] {
  return per_class
    .filter(({ recall, support }) => support > 0 && recall < accuracy - WEAK_CLASS)
    .sort((a, b) => a.recall - b.recall);
}

function confusions(test: TestReport): Finding[] {
  const findings: Finding[] = [];
  const [pair] = test.confused_pairs;
  if (pair && pair.count > 1 && pair.share >= OFTEN_CONFUSED) {
    const times = `${pair.count} of ${Math.round(pair.count / pair.share)} images`;
    findings.push({ level: 'caution', text: `It takes “${pair.label}” for “${pair.predicted}” most often: ${times}.` });
  }
  const [worst, ...others] = weakClasses(test);
  if (worst) {
    const more =
      others.length === 0 ? '' : ` ${others.length} more ${others.length === 1 ? 'class is' : 'classes are'} weak.`;
    findings.push({
      level: 'caution',
      text: `It finds ${Math.round(worst.recall * worst.support)} of the ${worst.support} test images of “${worst.class}”.${more}`,
    });
  }
  return findings;
}

function threshold({ unknown, accuracy }: TestReport): Finding[] {
  if (!unknown.reached) {
    return [
      {
        level: 'caution',
        text: 'No threshold for “unknown” is set: among images that it had not seen, no group of the surest answers is right often enough.',
      },
    ];
  }
  if (unknown.coverage === 0)
    return [{ level: 'caution', text: 'With its threshold for “unknown” it answers no test image.' }];
  const withheld = `With answers below ${percent(unknown.threshold)} confidence given as “unknown”`;
  return [
    {
      level: unknown.accuracy < accuracy ? 'caution' : 'good',
      text: `${withheld} it answers ${percent(unknown.coverage)} of the images, and ${percent(unknown.accuracy)} of those answers are right.`,
    },
  ];
}

function calibrationFinding({ calibration: { after } }: TestReport): Finding[] {
  if (after.error <= POOR_CALIBRATION) return [];
  return [
    {
      level: 'caution',
      text: `Its confidences miss the truth by ${percent(after.error)} on average: do not show them to users as they are.`,
    },
  ];
}

function flattery({ preflight }: Facts['dataset']): Finding[] {
  return preflight.warnings
    .filter(({ code }) => FLATTERING.has(code))
    .map(({ message }) => ({ level: 'caution', text: `The figures may be too kind: ${message}.` }));
}
