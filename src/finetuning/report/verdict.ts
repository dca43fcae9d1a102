import { percent } from './percent.ts';
import type { TestReport, TrainingReport } from './report-schema.ts';

/** A report without its verdict and next steps. */
export type Facts = Omit<TrainingReport, 'verdict' | 'next_steps'>;
type Finding = TrainingReport['verdict'][number];

/** A class is weak if its recall is this far below the accuracy. */
const WEAK_CLASS = 0.2;
/** A confusion is mentioned if it concerns at least this share of the images of a class. */
const OFTEN_CONFUSED = 0.15;
/** An accuracy is imprecise if its confidence interval is wider than this. */
const WIDE_INTERVAL = 0.1;
/** A calibration error above this makes confidences misleading. */
const POOR_CALIBRATION = 0.1;
/** Preflight warnings about data that makes the test results too good. */
const FLATTERING: ReadonlySet<string> = new Set(['near_duplicates', 'leakage']);

/** What the results mean for the decision to use the model, the most important finding first. */
export function verdictOf({ test, dataset }: Facts): Finding[] {
  if (test === null) {
    return [{ level: 'bad', text: 'The accuracy is unknown, because no images were kept for testing.' }];
  }
  return [
    accuracyFinding(test),
    ...majorityFinding(test),
    ...neighboursFinding(test),
    ...currentFinding(test),
    ...precisionFinding(test),
    ...confusionFindings(test),
    ...thresholdFinding(test),
    ...calibrationFinding(test),
    ...flatteryFindings(dataset),
  ];
}

function accuracyFinding({ accuracy, interval, images, baselines }: TestReport): Finding {
  const [low, high] = interval;
  return {
    level:
      low > baselines.majority_class.accuracy && high >= baselines.nearest_neighbours.accuracy ? 'good' : 'caution',
    text:
      `The model classifies ${percent(accuracy)} of ${images} test images correctly; none of them was used ` +
      'for training. ' +
      `On similar images, expect an accuracy between ${percent(low)} and ${percent(high)} (95% confidence).`,
  };
}

function majorityFinding({ accuracy, interval, baselines: { majority_class: majority } }: TestReport): Finding[] {
  const rival = `always predicting the most common class, “${majority.class}” (${percent(majority.accuracy)})`;
  if (interval[0] > majority.accuracy) return [{ level: 'good', text: `It is clearly better than ${rival}.` }];
  if (accuracy > majority.accuracy)
    return [{ level: 'caution', text: `It is better than ${rival}, but the difference may be chance.` }];
  return [{ level: 'bad', text: `It is no better than ${rival}: it has learnt nothing useful.` }];
}

function neighboursFinding({ accuracy, interval, baselines: { nearest_neighbours: nearest } }: TestReport): Finding[] {
  const rival = `a vote of the 5 most similar training images (${percent(nearest.accuracy)}), a method without training`;
  if (interval[0] > nearest.accuracy) return [{ level: 'good', text: `It is clearly better than ${rival}.` }];
  if (interval[1] < nearest.accuracy) return [{ level: 'bad', text: `It is clearly worse than ${rival}.` }];
  return [
    accuracy > nearest.accuracy
      ? { level: 'good', text: `It is slightly better than ${rival}; the difference may be chance.` }
      : { level: 'caution', text: `It is no better than ${rival}.` },
  ];
}

function currentFinding({ accuracy, current }: TestReport): Finding[] {
  if (!current) return [];
  const rival =
    `version ${current.version} of ${current.model}, which classifies ` +
    `${percent(current.accuracy)} of the same images correctly`;
  if (accuracy > current.accuracy) return [{ level: 'good', text: `It is better than ${rival}.` }];
  return [
    accuracy === current.accuracy
      ? { level: 'caution', text: `It is only as good as ${rival}.` }
      : { level: 'bad', text: `It is worse than ${rival}.` },
  ];
}

/** Whether the confidence interval of the accuracy is too wide. */
export function isImprecise({ interval }: TestReport): boolean {
  return interval[1] - interval[0] > WIDE_INTERVAL;
}

function precisionFinding(test: TestReport): Finding[] {
  if (!isImprecise(test)) return [];
  const points = Math.round((test.interval[1] - test.interval[0]) * 100);
  return [
    {
      level: 'caution',
      text:
        `The accuracy is imprecise: with ${test.images} test images, the confidence interval spans ` +
        `${points} percentage points.`,
    },
  ];
}

/** Classes with a much lower recall than the accuracy, the lowest first. */
export function weakClasses({ per_class, accuracy }: TestReport): TestReport['per_class'] {
  return per_class
    .filter(({ recall, support }) => support > 0 && recall < accuracy - WEAK_CLASS)
    .sort((a, b) => a.recall - b.recall);
}

function confusionFindings(test: TestReport): Finding[] {
  const findings: Finding[] = [];
  const [pair] = test.confused_pairs;
  if (pair && pair.count > 1 && pair.share >= OFTEN_CONFUSED) {
    const images = `${pair.count} of ${Math.round(pair.count / pair.share)} images`;
    findings.push({
      level: 'caution',
      text: `Its most frequent mistake is “${pair.label}” classified as “${pair.predicted}” (${images}).`,
    });
  }
  const [worst, ...others] = weakClasses(test);
  if (worst) {
    const more =
      others.length === 0
        ? ''
        : ` ${others.length} other ${others.length === 1 ? 'class is' : 'classes are'} weak as well.`;
    findings.push({
      level: 'caution',
      text:
        `It recognises only ${Math.round(worst.recall * worst.support)} of the ${worst.support} test ` +
        `images of “${worst.class}”.${more}`,
    });
  }
  return findings;
}

function thresholdFinding({ unknown, accuracy }: TestReport): Finding[] {
  if (!unknown.reached) {
    return [
      {
        level: 'caution',
        text:
          'No threshold on the confidence helps: on images held out from training, even the most ' +
          'confident predictions are not right often enough.',
      },
    ];
  }
  if (unknown.coverage === 0) {
    return [
      { level: 'caution', text: 'No test image reaches the confidence that was chosen to make its answers reliable.' },
    ];
  }
  return [
    {
      level: unknown.accuracy < accuracy ? 'caution' : 'good',
      text:
        `With at least ${percent(unknown.threshold)} confidence, it classifies ` +
        `${percent(unknown.coverage)} of the images, ${percent(unknown.accuracy)} of them correctly.`,
    },
  ];
}

function calibrationFinding({ calibration: { after } }: TestReport): Finding[] {
  if (after.error <= POOR_CALIBRATION) return [];
  return [
    {
      level: 'caution',
      text:
        `Its confidences differ from its accuracy by ${percent(after.error)} on average. Do not show ` +
        'them to users as probabilities.',
    },
  ];
}

function flatteryFindings({ preflight }: Facts['dataset']): Finding[] {
  return preflight.warnings
    .filter(({ code }) => FLATTERING.has(code))
    .map(({ message }) => ({ level: 'caution', text: `These results may be too good: ${message}.` }));
}
