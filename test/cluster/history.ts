import { appendFile } from 'node:fs/promises';

/** When something began and ended, in milliseconds since the run began, by the clock of the program. */
export interface Span {
  readonly at: number;
  readonly until: number;
}

/** How a request ended. */
export interface Answer {
  /** The HTTP status; 0 when there was no answer, or not all of it. */
  readonly status: number;
  /** Of problem details; null elsewhere. */
  readonly code: string | null;
  /** What is wrong with the form of the answer; null when it is an answer as documented. */
  readonly flaw: string | null;
  /** Whether the client did not wait for the answer. */
  readonly gaveUp: boolean;
}

/** A request to a server and its answer. */
export interface Call extends Span {
  /** Name of the server. */
  readonly replica: string;
  readonly answer: Answer;
}

/** A job in an answer. */
export interface SeenJob {
  readonly id: string;
  /** The seed in its options, of which each submission has its own. */
  readonly mark: number;
  readonly state: string;
  readonly failure: string | null;
  readonly version: { readonly model: string; readonly number: number } | null;
}

/** A fine-tuned model in an answer to `GET /models`. */
export interface SeenModel {
  readonly id: string;
  readonly versions: readonly number[];
  readonly aliases: Readonly<Record<string, number>>;
  /** Versions and aliases that cannot be used, such as `alpha@3`, or the model as a whole. */
  readonly damaged: readonly string[];
}

/** A number of a model in the bucket: reserved for a job, its version, or removed. */
export interface SeenNumber {
  readonly model: string;
  readonly number: number;
  readonly state: 'reserved' | 'present' | 'removed';
  /** The id of the job; null when it was removed. */
  readonly key: string | null;
  /** What is wrong with the files of a version; null when all are there with their digests. */
  readonly damage: string | null;
}

/** A server or worker, or what they stand on, that does not work, or is badly reached. */
export interface Outage extends Span {
  readonly type: 'outage';
  readonly kind: string;
  /** Names of machines that are touched. */
  readonly targets: readonly string[];
  /** What these machines cannot use: themselves, a process of theirs that computes, Redis or the bucket. */
  readonly lost: 'process' | 'child' | 'redis' | 's3';
  /** `Infinity` while it lasts. */
  until: number;
}

/** Something that was done or seen. */
export type Fact =
  | Outage
  | (Call & { readonly type: 'submit'; readonly key: string; readonly mark: number; readonly job: string | null })
  | (Call & { readonly type: 'cancel'; readonly job: string })
  | (Call & { readonly type: 'promote'; readonly model: string; readonly alias: string; readonly version: number })
  | (Call & { readonly type: 'remove'; readonly model: string; readonly version: number })
  | (Call & {
      readonly type: 'classify';
      /** `name@3`, `name@alias` or `name`. */
      readonly reference: string;
      readonly picture: string;
      readonly result: { readonly version: number; readonly label: string; readonly score: number } | null;
    })
  | (Call & { readonly type: 'jobs'; readonly jobs: readonly SeenJob[] })
  | (Call & { readonly type: 'models'; readonly models: readonly SeenModel[] })
  /** One connection to the events of a job. `events` are pairs of an id and a text. */
  | (Call & {
      readonly type: 'follow';
      readonly job: string;
      readonly after: number;
      readonly events: readonly (readonly [id: number, text: string])[];
      /** Whether the server ended the stream, rather than the client or a fault. */
      readonly isComplete: boolean;
    })
  /** A change of the health of a server. Without a status of 200 it is not ready. */
  | (Call & { readonly type: 'health'; readonly warnings: readonly string[] })
  /** All records of the bucket, read behind everybody's back. */
  | (Span & {
      readonly type: 'audit';
      readonly numbers: readonly SeenNumber[];
      readonly aliases: readonly { readonly model: string; readonly alias: string; readonly version: number }[];
    })
  /** An alias that was moved, and when a replica showed it; null when it did not while it was looked at. */
  | (Span & {
      readonly type: 'shown';
      readonly replica: string;
      readonly model: string;
      readonly alias: string;
      readonly version: number;
      readonly ms: number | null;
    })
  /** The end of a process. */
  | (Span & {
      readonly type: 'exit';
      readonly machine: string;
      readonly code: number | string;
      /** Whether it was killed, or asked to end. */
      readonly asked: 'killed' | 'stopped' | null;
      readonly wasReady: boolean;
    })
  /** What came back after the last fault; `ms` is null when it did not within the bound. */
  | (Span & { readonly type: 'recovered'; readonly what: string; readonly ms: number | null })
  /** All is healed and has recovered: from here on, nothing is excused. */
  | (Span & { readonly type: 'rest' });

/** Facts of one kind. */
export type FactOf<Type extends Fact['type']> = Extract<Fact, { type: Type }>;

/** What was done and seen in a run, in the order in which it ended. */
export class History {
  readonly facts: Fact[] = [];
  readonly #start = performance.now();

  /** Milliseconds since the run began. */
  now(): number {
    return performance.now() - this.#start;
  }

  add(fact: Fact): void {
    this.facts.push(fact);
  }

  /** Notes an outage that begins now. @returns ends it */
  begin(outage: Pick<Outage, 'kind' | 'targets' | 'lost'>): () => void {
    const fact: Outage = { type: 'outage', ...outage, at: this.now(), until: Number.POSITIVE_INFINITY };
    this.facts.push(fact);
    return () => {
      fact.until = this.now();
    };
  }

  /** Appends all facts to a file, one line of JSON each. */
  async save(path: string): Promise<void> {
    await appendFile(path, this.facts.map((fact) => `${JSON.stringify(fact)}\n`).join(''));
  }
}

/** The facts of one kind in a history. */
export function factsOf<Type extends Fact['type']>(facts: readonly Fact[], type: Type): FactOf<Type>[] {
  return facts.filter((fact): fact is FactOf<Type> => fact.type === type);
}
