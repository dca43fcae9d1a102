import { DraftHolder } from './draft/holder.ts';
import { Packer } from './draft/pack.ts';
import { percent } from './format.ts';
import type { ShowBadge } from './shell.ts';
import { Submission, type SubmissionState } from './submission.ts';

/** What the user teaches: the draft, and what of it is on its way to the server. It outlives the screens. */
export interface Workshop {
  readonly drafts: DraftHolder;
  /** The last check of a data set. */
  readonly check: Submission;
  /** The data set that is sent for a training. */
  readonly training: Submission;
}

/**
 * The workshop of the session. It asks before the window is closed while something would be lost, and says in the
 * navigation what goes on.
 */
export function workshopOf({
  session,
  showBadge,
}: {
  readonly session: { workshop: Workshop | undefined };
  readonly showBadge: ShowBadge;
}): Workshop {
  if (session.workshop !== undefined) return session.workshop;
  const packer = new Packer();
  const workshop = { drafts: new DraftHolder(), check: new Submission(packer), training: new Submission(packer) };
  const { drafts, training } = workshop;
  window.addEventListener('beforeunload', (event) => {
    if (training.isUnderway || !drafts.isKept) event.preventDefault();
  });
  training.watch(() => {
    const { state, draft } = training;
    showBadge('teach', badgeOf(state));
    if (state.phase !== 'answered' || draft === undefined || !('state' in state.answer)) return;
    const trained = { job: state.answer.id, version: draft.version };
    drafts.edit(() => ({ trained }));
  });
  session.workshop = workshop;
  return workshop;
}

function badgeOf(state: SubmissionState): string | undefined {
  switch (state.phase) {
    case 'packing':
      return `packing ${percent(state.share, 0)}`;
    case 'sending':
      return `sending ${percent(state.sent / state.total, 0)}`;
    case 'waiting':
    case 'answering':
      return 'sending';
    case 'failed':
      return 'not sent';
    case 'answered':
      return 'training';
    case 'idle':
      return undefined;
  }
}
