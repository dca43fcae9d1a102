import { percent } from '../percent.ts';
import type { TrainingReport } from '../report-schema.ts';
import { automaticSearchTable } from './automatic-search.ts';
import { html, type Markup } from './markup.ts';
import { type Axis, linePlot, type Series, SHARE } from './plots.ts';

type Training = TrainingReport['training'];

/** The section about the training and the hyperparameter search. */
export function trainingSection({
  history,
  best_epoch,
  retrained,
  search,
  settings,
  layers,
  last_stage,
  learning_curve,
  automatic_search,
}: Training): Markup {
  const kept = retrained
    ? `The validation loss was lowest after epoch ${best_epoch}. From there, training continued with training and validation images together.`
    : `The weights after epoch ${best_epoch} were kept.`;
  const words =
    settings['solver'] === undefined
      ? html`<p>Training ran for ${history.length} of at most ${String(settings['epochs'])} epochs. ${kept}</p>
<p>If the validation loss rises while the training loss falls, the model is overfitting: it learns its training images by heart.</p>`
      : html`<p>With so few images, the head was solved for by ridge regression instead of trained epoch by epoch. Its penalty was chosen by leaving each image out.</p>`;
  return html`<section><h2>Training</h2>
${words}
${history.length === 0 ? undefined : curves(history, best_epoch)}
${learning_curve ? learningCurve(learning_curve) : undefined}
${layers && layers.length > 1 ? layersRead(layers) : undefined}
${last_stage ? lastStage(last_stage) : undefined}
${search ? searchTable(search) : undefined}
${automatic_search ? automaticSearchTable(automatic_search) : undefined}
</section>`;
}

function curves(history: Training['history'], bestEpoch: number): Markup {
  const last = history.at(-1)?.epoch ?? 1;
  const x: Axis = {
    title: 'Epoch',
    min: Math.min(1, last - 1),
    max: last,
    format: (value) => String(Math.round(value)),
  };
  const series = (trained: 'loss' | 'accuracy', held: 'val_loss' | 'val_accuracy'): Series[] => {
    const points = (key: typeof trained | typeof held) =>
      history.flatMap((epoch) => (epoch[key] === undefined ? [] : [{ x: epoch.epoch, y: epoch[key] }]));
    const both: Series[] = [
      { name: 'validation', tone: 'accent', points: points(held) },
      { name: 'training', tone: 'muted', points: points(trained) },
    ];
    return both.filter((one) => one.points.length > 0);
  };
  const losses = history.flatMap(({ loss, val_loss }) => [loss, val_loss ?? 0]);
  const marker = { x: bestEpoch, label: `epoch ${bestEpoch}` };
  const loss: Axis = {
    title: 'Loss',
    min: 0,
    max: Math.max(0.01, ...losses) * 1.05,
    format: (value) => String(Number(value.toPrecision(2))),
  };
  const accuracy: Axis = { ...SHARE, title: 'Accuracy' };
  return html`<div class="columns">
${linePlot({ title: 'Loss', x, y: loss, series: series('loss', 'val_loss'), marker })}
${linePlot({ title: 'Accuracy', x, y: accuracy, series: series('accuracy', 'val_accuracy'), marker })}
</div>`;
}

/** The measured points, and where they go on if anything can be said. */
function learningCurve({ points, forecasts }: NonNullable<Training['learning_curve']>): Markup {
  const at = (list: readonly { images_per_class: number; accuracy: number }[]) =>
    list.map(({ images_per_class, accuracy }) => ({ x: images_per_class, y: accuracy }));
  const ahead = forecasts.length === 0 ? [] : [...points.slice(-1), ...forecasts];
  const series: Series[] = [
    { name: 'measured', tone: 'accent', points: at(points) },
    { name: 'forecast', tone: 'muted', points: at(ahead) },
  ];
  const max = (forecasts.at(-1) ?? points.at(-1))?.images_per_class ?? 1;
  const x: Axis = { title: 'Images per class', min: 0, max, format: (value) => String(Math.round(value)) };
  const words =
    forecasts.length === 0
      ? 'These points do not allow a forecast of what more images would bring: they are too few or too uncertain.'
      : forecasts
          .map(
            ({ images_per_class, accuracy, interval: [low, high] }) =>
              `With ${Math.round(images_per_class)} images per class, expect about ${percent(accuracy)} (${percent(low)} to ${percent(high)}).`,
          )
          .join(' ');
  return html`<h3>What more images would bring</h3>
<p>Accuracy of heads on a part of the images, tested on the others. ${words}</p>
${linePlot({ title: 'Accuracy by images per class', x, y: { ...SHARE, title: 'Accuracy' }, series: series.filter(({ points: own }) => own.length > 0) })}`;
}

function layersRead(layers: NonNullable<Training['layers']>): Markup {
  const [last, ...earlier] = layers.map(({ name, size }) => `${name} (${size} values)`).reverse();
  return html`<h3>Input of the head</h3>
<p>The head reads the features of the backbone, ${last}, and the channel means of earlier layers: ${earlier.join(', ')}.</p>`;
}

function lastStage({ published, best_epoch, history, ...facts }: NonNullable<Training['last_stage']>): Markup {
  const [alone] = history;
  const best = history.find(({ epoch }) => epoch === best_epoch);
  const figures = (epoch: typeof best) =>
    `${percent(epoch?.val_accuracy ?? 0)} accuracy, loss ${(epoch?.val_loss ?? 0).toFixed(3)}`;
  const outcome = published
    ? `The weights after epoch ${best_epoch} are published: ${figures(best)} on the validation images, where the head alone had ${figures(alone)}.`
    : `No epoch was better on the validation images than the head alone (${figures(alone)}), so the head alone is published.`;
  return html`<h3>Last stage of the backbone</h3>
<p>${facts.parameters} parameters were trained together with the head, at a tenth of its learning rate, for ${history.length - 1} epochs of ${facts.seconds_per_epoch} s. Epoch 0 is the head alone. ${outcome} Corrupted images are not tested at this depth.</p>
${curves(history, best_epoch)}`;
}

function searchTable({ folds, trials }: NonNullable<Training['search']>): Markup {
  return html`<h3>Hyperparameter search</h3>
<p>Accuracy and loss are from cross-validation with ${folds} folds on the training images. Learning rate and weight decay are multiples of their defaults. The first row has the defaults. A bold row was better than the best one before it, by more than chance; for the weight decay, any improvement counted.</p>
<div class="scroll"><table>
<thead><tr><th scope="col">Features</th><th scope="col">Augmented copies</th><th scope="col">Hidden units</th><th scope="col">Learning rate</th><th scope="col">Weight decay</th><th scope="col">Accuracy</th><th scope="col">Loss</th></tr></thead>
<tbody>${trials.map(
    (trial) =>
      html`<tr class="${trial.chosen ? 'ours' : ''}"><th scope="row">${trial.features}</th><td>${trial.augmented ? 'yes' : 'no'}</td><td>${trial.hidden_units.join(', ') || 'none'}</td><td>× ${trial.learning_rate_factor}</td><td>× ${trial.weight_decay_factor}</td><td>${percent(trial.accuracy)}</td><td>${trial.loss.toFixed(3)}</td></tr>`,
  )}</tbody></table></div>`;
}
