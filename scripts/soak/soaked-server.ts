import { z } from 'zod';
import { messageOf } from '../../src/common/errors.ts';

/** Name of the model that is taught again and again. */
const MODEL = 'soak';
/** Versions of it that are kept: more would fill the disk, which is not what is tested. */
const KEPT_VERSIONS = 3;

const jobSchema = z.object({
  id: z.string(),
  state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  failure: z.object({ code: z.string() }).nullable(),
});
const jobsSchema = z.object({ jobs: z.array(jobSchema) });
const cardSchema = z.object({ versions: z.array(z.number()), aliases: z.record(z.string(), z.number()) });

/** The jobs of a server: it is given one a minute, and old versions are removed. */
export class SoakedServer {
  readonly #url: string;
  readonly #zip: Buffer;
  readonly #ended = new Set<string>();
  readonly #errors: Record<string, number> = {};
  #submitted = 0;

  constructor(url: string, zip: Buffer) {
    this.#url = url;
    this.#zip = zip;
  }

  /** Submits a fine-tune. Each has another seed, which draws other copies, so that features are computed anew. */
  async finetune(): Promise<void> {
    this.#submitted += 1;
    const form = new FormData();
    form.append('dataset', new Blob([new Uint8Array(this.#zip)]), 'colours.zip');
    const fields = { name: MODEL, copies: '2', epochs: '20', seed: String(this.#submitted) };
    for (const [name, value] of Object.entries(fields)) form.append(name, value);
    await this.#ask('POST /finetune', [202], `${this.#url}/finetune`, { method: 'POST', body: form });
  }

  /** Jobs that have ended since the last call, and those that have not; failures of jobs are errors. */
  async countJobs(): Promise<{ succeeded: number; failed: number; unfinished: number }> {
    const response = await this.#ask('GET /jobs', [200], `${this.#url}/jobs`);
    const { jobs } = response === undefined ? { jobs: [] } : jobsSchema.parse(await response.json());
    const isFinished = ({ state }: z.output<typeof jobSchema>) => state !== 'queued' && state !== 'running';
    const ended = jobs.filter((job) => isFinished(job) && !this.#ended.has(job.id));
    for (const { id, state, failure } of ended) {
      this.#ended.add(id);
      if (state !== 'succeeded') this.#note(`fine-tune ${state}: ${failure?.code}`);
    }
    const succeeded = ended.filter(({ state }) => state === 'succeeded').length;
    return { succeeded, failed: ended.length - succeeded, unfinished: jobs.filter((job) => !isFinished(job)).length };
  }

  /** Removes all versions but the newest and those that an alias points to. */
  async removeOldVersions(): Promise<void> {
    // Until the first fine-tune has ended there is none.
    const response = await this.#ask('GET /models', [200, 404], `${this.#url}/models/${MODEL}`);
    if (response?.status !== 200) return;
    const { versions, aliases } = cardSchema.parse(await response.json());
    for (const version of versions.slice(0, -KEPT_VERSIONS)) {
      if (Object.values(aliases).includes(version)) continue;
      await this.#ask('DELETE', [204], `${this.#url}/models/${MODEL}@${version}`, { method: 'DELETE' });
    }
  }

  /** What went wrong since the last call. */
  takeErrors(): Record<string, number> {
    const errors = { ...this.#errors };
    for (const what of Object.keys(errors)) delete this.#errors[what];
    return errors;
  }

  async #ask(
    what: string,
    expected: readonly number[],
    url: string,
    init?: RequestInit,
  ): Promise<Response | undefined> {
    try {
      const response = await fetch(url, init);
      if (expected.includes(response.status)) return response;
      this.#note(`${what} ${response.status}`);
    } catch (thrown) {
      this.#note(`${what}: ${messageOf(thrown)}`);
    }
    return undefined;
  }

  #note(what: string): void {
    this.#errors[what] = (this.#errors[what] ?? 0) + 1;
  }
}
