import { type Content, html, Markup } from './report-markup.ts';
import { classTable, confusedPairs, confusionMatrix, imageList, type Thumbnails } from './report-mistakes.ts';
import { type Axis, intervalBar, linePlot, reliabilityDiagram, type Series } from './report-plots.ts';
import type { TestReport, TrainingReport } from './report-schema.ts';
import { REPORT_STYLE } from './report-style.ts';
import { percent } from './report-verdict.ts';

/**
 * The page of a report: one file without scripts that fetches nothing, for whoever decides whether to ship the model.
 * @param thumbnails shown beside the images that the report names; it is complete without them
 */
export function renderReport(report: TrainingReport, thumbnails: Thumbnails = new Map()): string {
  const { model, test } = report;
  const title = `${model.name}, version ${model.version}`;
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${title}: report</title>
<style>${new Markup(REPORT_STYLE)}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">${title}, trained on ${report.backbone.name} on ${report.created_at.slice(0, 10)}</p>
<h1>${headline(test)}</h1>
</header>
${test ? facts(test) : undefined}
<div class="columns">
<section><h3>What the figures mean</h3><ul class="findings">${report.verdict.map(({ level, text }) => html`<li class="${level}">${text}</li>`)}</ul></section>
<section><h3>What to do next</h3>${steps(report.next_steps)}</section>
</div>
${test ? [comparison(test, title), mistakes(test, thumbnails), confidence(test)] : undefined}
${training(report)}
${dataset(report)}
${provenance(report)}
</main>
</body>
</html>
`;
  return page.text;
}

function headline(test: TestReport | null): string {
  if (test === null) return 'Nobody knows yet how often it is right';
  const percentage = Math.round(test.accuracy * 100);
  const right = `ight about ${percentage} times in 100`;
  const { majority_class: majority, nearest_neighbours: nearest } = test.baselines;
  if (test.accuracy <= majority.accuracy) return `No better than guessing: r${right}`;
  if (test.interval[1] < nearest.accuracy) return `R${right}; a method without any training does better`;
  if (percentage === 100 && test.accuracy < 1) return 'Right more than 99 times in 100';
  if (percentage === 100) return `Right on all ${test.images} test images`;
  const [pair] = test.confused_pairs;
  const confusion = pair && pair.count > 1 ? `; most often it takes ${pair.label} for ${pair.predicted}` : '';
  return `R${right}${confusion}`;
}

function steps(list: readonly string[]): Markup {
  if (list.length === 0) return html`<p>Nothing stands out. Try it on your own photos before you rely on it.</p>`;
  return html`<ol class="steps">${list.map((step) => html`<li>${step}</li>`)}</ol>`;
}

function facts({ accuracy, interval, images, macro_f1, calibration, unknown }: TestReport): Markup {
  const fact = (name: string, figure: string, note: string) =>
    html`<div><dt>${name}</dt><dd class="figure">${figure}</dd><dd class="note">${note}</dd></div>`;
  return html`<dl class="facts">
${fact('Accuracy', percent(accuracy), `${percent(interval[0])} to ${percent(interval[1])} with 95% confidence, ${images} images`)}
${fact('Macro F1', percent(macro_f1), 'every class counts alike')}
${fact('Calibration error', percent(calibration.after.error), `${percent(calibration.before.error)} before calibration`)}
${
  unknown.reached
    ? fact(
        'Right when it answers',
        percent(unknown.accuracy),
        `${percent(unknown.coverage)} answered, the rest “unknown”`,
      )
    : fact('Threshold for “unknown”', 'none', 'every image gets an answer')
}
</dl>`;
}

function comparison({ baselines, current, ...test }: TestReport, title: string): Markup {
  const { majority_class: majority, nearest_neighbours: nearest } = baselines;
  const row = (
    name: string,
    { accuracy, interval: [low, high] }: Pick<TestReport, 'accuracy' | 'interval'>,
    ours: boolean,
  ) =>
    html`<tr class="${ours ? 'ours' : ''}"><th scope="row">${name}</th><td>${percent(accuracy)}</td><td>${percent(low)} – ${percent(high)}</td><td class="wide">${intervalBar(accuracy, low, high, ours ? 'accent' : 'muted')}</td></tr>`;
  return html`<section><h2>Against the simplest rivals</h2>
<p>All on the same ${test.images} test images. A model that does not beat them is not worth its keep.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Model</th><th scope="col">Accuracy</th><th scope="col">95% confidence</th><th scope="col" class="wide">0 to 100%</th></tr></thead>
<tbody>
${row(title, test, true)}
${current ? row(`${current.model}, version ${current.version}`, current, false) : undefined}
${row('5 nearest neighbours among the training images', nearest, false)}
${row(`Always “${majority.class}”`, majority, false)}
</tbody></table></div></section>`;
}

function mistakes(test: TestReport, thumbnails: Thumbnails): Markup {
  return html`<section><h2>What it confuses</h2>
<div class="beside">
<div><h3>Every answer</h3>${confusionMatrix(test)}</div>
<div><h3>Most confused</h3>${confusedPairs(test, thumbnails)}</div>
</div>
<h3>Wrong and sure of it</h3>
<p class="note">Wrong answers, the most certain first: often wrong labels or unusual photos.</p>
${imageList(test.worst_mistakes, thumbnails, 'No test image was answered wrong.')}
<h3>Least certain</h3>
<p class="note">Right or wrong: more images like these teach the most.</p>
${imageList(test.least_certain, thumbnails, 'There are none.')}
</section>
<section><h2>Class by class</h2>
<p>Precision: how often an answer of this class is right. Recall: how many of its images are found. The weakest first.</p>
${classTable(test)}</section>`;
}

const share = (title: string): Axis => ({ title, min: 0, max: 1, format: (value) => `${Math.round(value * 100)}%` });

function confidence({ calibration, unknown, accuracy }: TestReport): Markup {
  const { temperature, before, after, tuned_on } = calibration;
  const where = tuned_on === 'cross_validation' ? 'by cross-validation' : 'on the validation images';
  const line = (name: string, tone: Series['tone'], y: 'accuracy' | 'coverage'): Series => ({
    name,
    tone,
    points: unknown.curve.map((point) => ({ x: point.threshold, y: point[y] })),
  });
  const verdict = unknown.reached
    ? `Below ${percent(unknown.threshold)} it answers “unknown”. The threshold was chosen ${where} so that ${percent(unknown.target)} of the remaining answers are right; on the test images it keeps ${percent(unknown.coverage)} of the answers, ${percent(unknown.accuracy)} of them right (${percent(accuracy)} without it).`
    : `No threshold is set: ${where} none made ${percent(unknown.target)} of the remaining answers right.`;
  return html`<section><h2>Can its confidence be believed?</h2>
<p>Bars on the dotted line are honest: of the answers given with 80% confidence, 80% are right. Bars below it are too sure. Paler bars have fewer answers. The temperature ${temperature.toFixed(2)}, chosen ${where}, is part of the model.</p>
<div class="columns">
${reliabilityDiagram(`Before: error ${percent(before.error)}`, before.bins)}
${reliabilityDiagram(`As served: error ${percent(after.error)}`, after.bins)}
</div>
<h3>When it should rather say “unknown”</h3>
<p>${verdict}</p>
${linePlot({
  title: 'Answers above a threshold',
  x: share('Threshold on confidence'),
  y: share('Share'),
  series: [line('right', 'accent', 'accuracy'), line('answered', 'muted', 'coverage')],
  ...(unknown.reached && { marker: { x: unknown.threshold, label: `threshold ${percent(unknown.threshold)}` } }),
})}
</section>`;
}

function training({ training: { history, best_epoch, retrained, search, settings, layers } }: TrainingReport): Markup {
  const last = history.at(-1)?.epoch ?? 1;
  const x: Axis = {
    title: 'Epoch',
    min: Math.min(1, last - 1),
    max: last,
    format: (value) => String(Math.round(value)),
  };
  const curves = (trained: 'loss' | 'accuracy', held: 'val_loss' | 'val_accuracy'): Series[] => {
    const points = (key: typeof trained | typeof held) =>
      history.flatMap((epoch) => (epoch[key] === undefined ? [] : [{ x: epoch.epoch, y: epoch[key] }]));
    const series: Series[] = [
      { name: 'validation', tone: 'accent', points: points(held) },
      { name: 'training', tone: 'muted', points: points(trained) },
    ];
    return series.filter((one) => one.points.length > 0);
  };
  const losses = history.flatMap(({ loss, val_loss }) => [loss, val_loss ?? 0]);
  const marker = { x: best_epoch, label: `${retrained ? 'best' : 'kept'}: ${best_epoch}` };
  const loss: Axis = {
    title: 'Loss',
    min: 0,
    max: Math.max(0.01, ...losses) * 1.05,
    format: (value) => String(Number(value.toPrecision(2))),
  };
  return html`<section><h2>How it learnt</h2>
<p>${history.length} of at most ${String(settings.epochs)} epochs; ${retrained ? `after epoch ${best_epoch} the validation images were answered best, and its training went on from there with training and validation images together.` : `the weights of epoch ${best_epoch} were kept.`} If validation gets worse while training gets better, it learns its images by heart.</p>
${
  history.length === 0
    ? undefined
    : html`<div class="columns">
${linePlot({ title: 'Loss', x, y: loss, series: curves('loss', 'val_loss'), marker })}
${linePlot({ title: 'Accuracy', x, y: share('Accuracy'), series: curves('accuracy', 'val_accuracy'), marker })}
</div>`
}
${layers && layers.length > 1 ? layersRead(layers) : undefined}
${search ? searchTable(search) : undefined}
</section>`;
}

function layersRead(layers: NonNullable<TrainingReport['training']['layers']>): Markup {
  const [last, ...earlier] = layers.map(({ name, size }) => `${name} (${size} values)`).reverse();
  return html`<p>Of the backbone the head reads its features, ${last}, and before that the mean of each channel after ${earlier.join(', ')}.</p>`;
}

function searchTable({ folds, trials }: NonNullable<TrainingReport['training']['search']>): Markup {
  return html`<h3>Settings that were tried</h3>
<p>Scores by cross-validation in ${folds} parts; rates and decay as multiples of the default. Bold: better than what was best before by more than chance.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Features</th><th scope="col">Copies</th><th scope="col">Hidden units</th><th scope="col">Learning rate</th><th scope="col">Weight decay</th><th scope="col">Accuracy</th><th scope="col">Loss</th></tr></thead>
<tbody>${trials.map(
    (trial) =>
      html`<tr class="${trial.chosen ? 'ours' : ''}"><th scope="row">${trial.features}</th><td>${trial.augmented ? 'yes' : 'no'}</td><td>${trial.hidden_units.join(', ') || 'none'}</td><td>× ${trial.learning_rate_factor}</td><td>× ${trial.weight_decay_factor}</td><td>${percent(trial.accuracy)}</td><td>${trial.loss.toFixed(3)}</td></tr>`,
  )}</tbody></table></div>`;
}

function dataset({ dataset: { preflight } }: TrainingReport): Markup {
  const { images, classes, warnings, imbalance } = preflight;
  const notes = [
    `${images.used} of ${images.labelled} labelled images are used: ${images.unreadable} cannot be read, ${images.left_out} are left out as contradictory or as copies across splits.`,
    preflight.ignored.count > 0 ? `${preflight.ignored.count} other files are ignored.` : '',
    imbalance === null || imbalance === 1 ? '' : `The largest class has ${imbalance} times the images of the smallest.`,
  ];
  return html`<section><h2>What it learnt from</h2>
<p>${notes.filter((note) => note !== '').join(' ')}</p>
${
  warnings.length === 0
    ? html`<p>The check of the data set found nothing to warn of.</p>`
    : html`<ul class="findings">${warnings.map(({ message }) => html`<li class="caution">${message}</li>`)}</ul>`
}
<div class="scroll"><table>
<thead><tr><th scope="col">Class</th><th scope="col">Training</th><th scope="col">Validation</th><th scope="col">Test</th><th scope="col">All</th></tr></thead>
<tbody>${classes.map((row) => html`<tr><th scope="row">${row.name}</th><td>${row.train}</td><td>${row.validation}</td><td>${row.test}</td><td>${row.images}</td></tr>`)}
<tr class="ours"><th scope="row">All</th><td>${images.train}</td><td>${images.validation}</td><td>${images.test}</td><td>${images.used}</td></tr></tbody></table></div></section>`;
}

function provenance(report: TrainingReport): Markup {
  const { backbone, provenance, training } = report;
  const seconds = Object.entries(provenance.durations_seconds).map(
    ([phase, value]) => [phase, `${value.toFixed(1)} s`] as const,
  );
  return html`<section><h2>How to make it again</h2>
<div class="columns">
<div><h3>Settings of the head</h3>${definitions(Object.entries(training.settings))}</div>
<div><h3>Options of the request</h3>${definitions(Object.entries(provenance.options))}</div>
</div>
<h3>Origin</h3>${definitions([
    ['backbone', `${backbone.name}, version ${backbone.version}`],
    ['backbone SHA-256', backbone.sha256],
    ['data set SHA-256', report.dataset.sha256],
    ['seed', provenance.seed],
    ['TensorFlow.js backend', provenance.tensorflow_backend],
    ...Object.entries(provenance.libraries),
    ['created', report.created_at],
  ])}
${seconds.length > 0 ? html`<h3>Time</h3>${definitions(seconds)}` : undefined}
</section>`;
}

function definitions(entries: readonly (readonly [name: string, value: unknown])[]): Markup {
  const shown = (value: unknown): Content => {
    if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
    return typeof value === 'string' ? value : JSON.stringify(value);
  };
  return html`<dl class="settings">${entries
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => html`<dt>${name}</dt><dd>${shown(value)}</dd>`)}</dl>`;
}
