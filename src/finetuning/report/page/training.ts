import { percent } from '../percent.ts';
import type { TrainingReport } from '../report-schema.ts';
import { html, type Markup } from './markup.ts';
import { type Axis, linePlot, type Series, SHARE } from './plots.ts';

type Training = TrainingReport['training'];

/** The section about the training and the hyperparameter search. */
export function trainingSection({ history, best_epoch, retrained, search, settings, layers }: Training): Markup {
  const kept = retrained
    ? `The validation loss was lowest after epoch ${best_epoch}. From there, training continued with training and validation images together.`
    : `The weights after epoch ${best_epoch} were kept.`;
  return html`<section><h2>Training</h2>
<p>Training ran for ${history.length} of at most ${String(settings.epochs)} epochs. ${kept}</p>
<p>If the validation loss rises while the training loss falls, the model is overfitting: it learns its training images by heart.</p>
${history.length === 0 ? undefined : curves(history, best_epoch)}
${layers && layers.length > 1 ? layersRead(layers) : undefined}
${search ? searchTable(search) : undefined}
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

function layersRead(layers: NonNullable<Training['layers']>): Markup {
  const [last, ...earlier] = layers.map(({ name, size }) => `${name} (${size} values)`).reverse();
  return html`<h3>Input of the head</h3>
<p>The head reads the features of the backbone, ${last}, and the channel means of earlier layers: ${earlier.join(', ')}.</p>`;
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
