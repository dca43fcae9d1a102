import type { Client } from '../../api/client.ts';
import { followEvents } from '../../api/events.ts';
import type { Pull } from '../../api/schema.ts';
import { copyButton } from '../../components/copy-button.ts';
import { errorNotice, sentence } from '../../components/notice.ts';
import { fill, h, icon } from '../../dom.ts';
import { bytes } from '../../format.ts';
import type { Session } from '../../session.ts';

const PHASES: Readonly<Record<Pull['phase'], string>> = {
  wait: 'Waiting for another pull of this model',
  download: 'Downloading',
  verify: 'Verifying',
  unpack: 'Unpacking',
  convert: 'Converting',
};

export interface PullRowOptions {
  readonly client: Client;
  readonly session: Session;
  readonly signal: AbortSignal;
  /** The shell command that does the same. */
  readonly command: string;
  /** Called when the model has been pulled. */
  readonly onPulled: () => void;
}

/** A model without weights, with a button that pulls them and the progress of the pull. */
export function pullRow(id: string, { client, session, signal, command, onPulled }: PullRowOptions): HTMLElement {
  const place = h('div', { class: 'pull' });

  const offer = (): void =>
    fill(
      place,
      h('code', { class: 'muted' }, command),
      copyButton(() => command, `Copy the command for ${id}`),
      h(
        'button',
        { type: 'button', class: 'compact', 'aria-label': `Pull ${id}`, onclick: start },
        icon('down'),
        'Pull',
      ),
    );

  const start = (): void => {
    client.call('pullModel', { path: { id }, signal }).then(
      (pull) => {
        session.pulls.add(id);
        show(pull);
        follow();
      },
      (thrown: unknown) => {
        if (!signal.aborted) fill(place, errorNotice(thrown, { label: 'Try again', run: start }));
      },
    );
  };

  const cancel = (): void => {
    client.call('cancelPull', { path: { id }, signal }).then(show, (thrown: unknown) => {
      if (!signal.aborted) fill(place, errorNotice(thrown, { label: 'Try again', run: cancel }));
    });
  };

  const follow = (): void => {
    const stop = followEvents(`/models/${encodeURIComponent(id)}/pull/events`, {
      pull: (event) => {
        const pull = event as Pull;
        if (pull.state !== 'running') stop();
        show(pull);
      },
    });
    signal.addEventListener('abort', stop);
  };

  /** Shows a pull that was started before the screen was left. */
  const resume = (): void => {
    client.call('readPull', { path: { id }, signal }).then(
      (pull) => {
        show(pull);
        if (pull.state === 'running') follow();
      },
      () => {
        if (!signal.aborted) offer();
      },
    );
  };

  const show = (pull: Pull): void => {
    if (pull.state !== 'running') session.pulls.delete(id);
    switch (pull.state) {
      case 'running':
        fill(
          place,
          ...progress(pull),
          h('button', { type: 'button', class: 'compact danger', onclick: cancel }, 'Cancel'),
        );
        break;
      case 'done':
        fill(place, h('span', { role: 'status' }, 'Downloaded.'));
        onPulled();
        break;
      case 'failed':
        fill(
          place,
          h('span', { class: 'failure small', role: 'alert' }, sentence(pull.reason ?? 'The pull failed')),
          h('button', { type: 'button', class: 'compact', onclick: start }, 'Try again'),
        );
        break;
      case 'cancelled':
        offer();
    }
  };

  if (session.pulls.has(id)) resume();
  else offer();
  return h('li', {}, h('strong', {}, id), place);
}

function progress({ phase, done_bytes: done, total_bytes: total }: Pull): HTMLElement[] {
  const known = done !== null && total !== null && total > 0;
  const bar = h('progress', { 'aria-label': PHASES[phase], max: known && total, value: known && done });
  const amount = done === null ? '' : total === null ? ` ${bytes(done)}` : ` ${bytes(done)} of ${bytes(total)}`;
  return [bar, h('span', { class: 'small muted number' }, PHASES[phase] + amount)];
}
