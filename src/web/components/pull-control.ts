import type { Client } from '../api/client.ts';
import { followEvents } from '../api/events.ts';
import type { Pull } from '../api/schema.ts';
import { type Child, fill, h, icon } from '../dom.ts';
import { bytes } from '../format.ts';
import type { Session } from '../session.ts';
import { copyButton } from './copy-button.ts';
import { errorNotice, notice, sentence } from './notice.ts';

const PHASES: Readonly<Record<Pull['phase'], string>> = {
  wait: 'Waiting for another pull of this model',
  download: 'Downloading',
  verify: 'Verifying',
  unpack: 'Unpacking',
  convert: 'Converting',
};

export interface PullOptions {
  readonly client: Client;
  readonly session: Session;
  readonly signal: AbortSignal;
  /** Called when the model has been pulled. */
  readonly onPulled: () => void;
}

/** A button that pulls the weights of a model; then the progress of the pull, or why it failed and what to do. */
export function pullControl(id: string, { client, session, signal, onPulled }: PullOptions): HTMLElement {
  const place = h('div', { class: 'pull' });

  const offer = (): void =>
    fill(
      place,
      h(
        'button',
        { type: 'button', class: 'compact', 'aria-label': `Get it: ${id}`, onclick: start },
        icon('down'),
        'Get it',
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
          progress(pull),
          h(
            'button',
            { type: 'button', class: 'compact danger', 'aria-label': `Cancel the pull of ${id}`, onclick: cancel },
            'Cancel',
          ),
        );
        break;
      case 'done':
        fill(place, h('span', { role: 'status' }, 'Downloaded.'));
        onPulled();
        break;
      case 'failed':
        fill(place, refusal(id, pull.reason ?? 'The pull failed', start));
        break;
      case 'cancelled':
        offer();
    }
  };

  if (session.pulls.has(id)) resume();
  else offer();
  return place;
}

function progress({ phase, done_bytes: done, total_bytes: total }: Pull): Child {
  const known = done !== null && total !== null && total > 0;
  const bar = h('progress', { 'aria-label': PHASES[phase], max: known && total, value: known && done });
  const amount = done === null ? '' : total === null ? ` ${bytes(done)}` : ` ${bytes(done)} of ${bytes(total)}`;
  return [bar, h('span', { class: 'small muted number' }, PHASES[phase] + amount)];
}

/** The reason of a pull whose host the server cannot reach, as `fetch-weights.ts` writes it. */
const NO_WAY =
  /^(?<host>\S+) cannot be reached[^:]*: fetch (?<url>https?:\S+) elsewhere and put it here as (?<path>.+)$/;

/** Why a pull failed, and what to do. */
function refusal(id: string, reason: string, onAgain: () => void): HTMLElement {
  const again = { label: 'Try again', run: onAgain };
  const { host, url, path } = NO_WAY.exec(reason)?.groups ?? {};
  if (host === undefined || url === undefined || path === undefined) {
    return notice('bad', 'It was not downloaded', sentence(reason), again);
  }
  return notice(
    'bad',
    `The server has no way to ${host}`,
    [
      'Download ',
      h('a', { href: url, rel: 'noreferrer' }, 'the file'),
      ' on a machine that can, and put it on the server here, where it is found within seconds:',
      h(
        'span',
        { class: 'row' },
        h('code', {}, path),
        copyButton(() => path, `Copy the path for ${id}`),
      ),
    ],
    again,
  );
}
