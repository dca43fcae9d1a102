import type { Client } from './api/client.ts';
import { patiently } from './api/patience.ts';
import type { Operations } from './api/schema.ts';
import type { Draft } from './draft/draft.ts';
import type { PackedDataset, Packer } from './draft/pack.ts';
import { secondsLeft } from './time-left.ts';

type Answer = Operations['finetune']['answer'];

/** Where a submission is. */
export type SubmissionState =
  | { readonly phase: 'idle' }
  | { readonly phase: 'packing'; readonly share: number; readonly secondsLeft: number | undefined }
  | {
      readonly phase: 'sending';
      readonly sent: number;
      readonly total: number;
      readonly secondsLeft: number | undefined;
    }
  /** All bytes are sent. */
  | { readonly phase: 'answering' }
  /** The server is busy. */
  | { readonly phase: 'waiting'; readonly seconds: number; readonly reason: string }
  | { readonly phase: 'failed'; readonly error: unknown }
  | { readonly phase: 'answered'; readonly answer: Answer; readonly dataset: PackedDataset };

/**
 * A draft on its way to the server, for a check or for a training. It is a snapshot: later edits of the draft do not
 * change it. It goes on when the screen that started it is left.
 */
export class Submission {
  readonly #packer: Packer;
  readonly #listeners = new Set<() => void>();
  #state: SubmissionState = { phase: 'idle' };
  #draft: Draft | undefined;
  #ended = new AbortController();

  constructor(packer: Packer) {
    this.#packer = packer;
  }

  get state(): SubmissionState {
    return this.#state;
  }

  /** The snapshot that was started last. */
  get draft(): Draft | undefined {
    return this.#draft;
  }

  /** Whether it is on its way. */
  get isUnderway(): boolean {
    return ['packing', 'sending', 'answering', 'waiting'].includes(this.#state.phase);
  }

  /** Starts; does nothing while it is on its way, so that nothing is sent twice. */
  start(client: Client, draft: Draft, query: Operations['finetune']['query']): void {
    if (this.isUnderway) return;
    this.#draft = draft;
    this.#ended = new AbortController();
    const { signal } = this.#ended;
    this.#set({ phase: 'packing', share: 0, secondsLeft: undefined });
    this.#send(client, draft, query, signal).then(
      (state) => signal.aborted || this.#set(state),
      (error: unknown) => signal.aborted || this.#set({ phase: 'failed', error }),
    );
  }

  /** Ends it, and forgets what has come of it. */
  clear(): void {
    this.#ended.abort();
    this.#set({ phase: 'idle' });
  }

  /** @param listener called after each change @returns a function that ends it */
  watch(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #send(
    client: Client,
    draft: Draft,
    query: Operations['finetune']['query'],
    signal: AbortSignal,
  ): Promise<SubmissionState> {
    const begun = performance.now();
    const dataset = await this.#packer.pack(draft, (share) => {
      signal.throwIfAborted();
      this.#set({ phase: 'packing', share, secondsLeft: secondsLeft(share, performance.now() - begun) });
    });
    const request = () => {
      const sending = performance.now();
      const onSent = (sent: number, total: number): void => {
        if (signal.aborted) return;
        const left = secondsLeft(sent / total, performance.now() - sending);
        this.#set(sent < total ? { phase: 'sending', sent, total, secondsLeft: left } : { phase: 'answering' });
      };
      onSent(0, dataset.file.size);
      return client.call('finetune', { query, form: [{ name: 'dataset', value: dataset.file }], signal, onSent });
    };
    const answer = await patiently(request, signal, (seconds, { title }) =>
      this.#set({ phase: 'waiting', seconds, reason: title }),
    );
    return { phase: 'answered', answer, dataset };
  }

  #set(state: SubmissionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}
