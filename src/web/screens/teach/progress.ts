import { fill, h, icon } from '../../dom.ts';
import { bytes, duration, percent } from '../../format.ts';
import type { Submission, SubmissionState } from '../../submission.ts';

/** Shows how far a submission is. */
export interface ProgressView {
  readonly element: HTMLElement;
  update(): void;
}

/**
 * @param answering what the server does when it has everything
 * @param canCancelAnswering whether cancelling then still changes anything
 */
export function progressView(submission: Submission, answering: string, canCancelAnswering: boolean): ProgressView {
  const bar = h('progress', { max: 1 });
  const words = h('span', {});
  const share = h('span', { class: 'muted number' });
  const cancel = h('button', { type: 'button', onclick: () => submission.clear() }, icon('stop'), 'Cancel');
  const element = h(
    'div',
    { class: 'panel working' },
    bar,
    h('div', { class: 'row spread' }, h('p', { role: 'status' }, words), h('span', { class: 'row' }, share, cancel)),
  );
  return {
    element,
    update() {
      const { state } = submission;
      element.hidden = !submission.isUnderway;
      if (!submission.isUnderway) return;
      const done = shareOf(state);
      if (done === undefined) bar.removeAttribute('value');
      else bar.value = done;
      const text = state.phase === 'answering' ? answering : wordsOf(state);
      bar.setAttribute('aria-label', text);
      fill(words, text);
      fill(share, done !== undefined && percent(done, 0));
      cancel.hidden = state.phase === 'answering' && !canCancelAnswering;
    },
  };
}

function shareOf(state: SubmissionState): number | undefined {
  if (state.phase === 'packing') return state.share;
  return state.phase === 'sending' ? state.sent / state.total : undefined;
}

function wordsOf(state: SubmissionState): string {
  switch (state.phase) {
    case 'packing':
      return `Packing the images${leftWords(state.secondsLeft)}`;
    case 'sending':
      return `${bytes(state.sent)} of ${bytes(state.total)} sent${leftWords(state.secondsLeft)}`;
    case 'waiting':
      return `${state.reason}. Trying again in ${duration(state.seconds)} …`;
    default:
      return '';
  }
}

function leftWords(seconds: number | undefined): string {
  return seconds === undefined ? '' : `, about ${duration(seconds)} left`;
}
