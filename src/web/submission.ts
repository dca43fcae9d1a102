import type { Client } from './api/client.ts';
import { patiently } from './api/patience.ts';
import { RequestError } from './api/problem.ts';
import type { Operations } from './api/schema.ts';
import type { Draft } from './draft/draft.ts';
import type { PackedDataset, Packer } from './draft/pack.ts';
import { secondsLeft } from './time-left.ts';

type Answer = Operations['finetune']['answer'];

/** The name of a request, under which the server makes one job however often it is sent. */
interface RequestKey {
  readonly key: string;
  /** Of the draft. */
  readonly version: number;
  readonly query: string;
}

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
  /** Of the request that has not been answered: its job may have been made. */
  #unanswered: RequestKey | undefined;
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
    const key = this.#keyOf(draft, query);
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
      const form = [{ name: 'dataset', value: dataset.file }];
      return client.call('finetune', { query, form, headers: { 'Idempotency-Key': key }, signal, onSent });
    };
    try {
      const answer = await patiently(request, signal, (seconds, { title }) =>
        this.#set({ phase: 'waiting', seconds, reason: title }),
      );
      this.#unanswered = undefined;
      return { phase: 'answered', answer, dataset };
    } catch (thrown) {
      // A refusal is an answer. Without one, or with that of a proxy, such as 504, the job may have been made.
      if (thrown instanceof RequestError && thrown.status >= 400 && thrown.status < 500) this.#unanswered = undefined;
      throw thrown;
    }
  }

  /** The key of the last request while that has no answer and is the same; else a new one. */
  #keyOf(draft: Draft, query: Operations['finetune']['query']): string {
    const text = JSON.stringify(query);
    const last = this.#unanswered;
    if (last !== undefined && last.version === draft.version && last.query === text) return last.key;
    const key = randomKey();
    this.#unanswered = { key, version: draft.version, query: text };
    return key;
  }

  #set(state: SubmissionState): void {
    this.#state = state;
    for (const listener of this.#listeners) listener();
  }
}

/** 128 random bits. Over plain HTTP, to another host than localhost, browsers have no `crypto.randomUUID`. */
function randomKey(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}
