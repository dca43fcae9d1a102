import { spawn } from 'node:child_process';
import { once } from 'node:events';
import type { Random } from '../../src/common/random.ts';
import { pick } from '../fuzz/fuzz-input.ts';
import { isFinished, type JobAnswer, type Ledger } from './ledger.ts';

/** Models that jobs fine-tune. */
export const MODELS = ['storm-a', 'storm-b'];
export const ALIAS = 'canary';
/** Versions of a model beyond which one is removed. */
const MAX_VERSIONS = 2;
const WEIGHTS = 'zoo/resnet18_slim.tiny200/weights.safetensors';

/** Dependencies of actions. `signal` is aborted when the server is killed. */
export interface Storm {
  readonly url: string;
  readonly dataDir: string;
  readonly zip: Buffer;
  readonly ledger: Ledger;
  readonly random: Random;
  readonly signal: AbortSignal;
}

export type Action = (storm: Storm) => Promise<void>;

/** Submits a fine-tune, unless two are unfinished. */
export const fineTune: Action = async ({ url, zip, ledger, random, signal }) => {
  if ([...ledger.jobs.values()].filter((job) => !isFinished(job)).length >= 2) return;
  const form = new FormData();
  form.append('dataset', new Blob([new Uint8Array(zip)]), 'colours.zip');
  // Another seed draws other copies, so that their features are computed anew.
  const fields = { name: pick(MODELS, random), copies: '3', epochs: '20', seed: String(random.below(1e6)) };
  for (const [name, value] of Object.entries(fields)) form.append(name, value);
  const response = await fetch(`${url}/finetune`, { method: 'POST', body: form, signal });
  if (response.status === 202) ledger.note((await response.json()) as JobAnswer);
};

/** Asks for the state of every unfinished job. */
export const watchJobs: Action = async ({ url, ledger, signal }) => {
  for (const job of ledger.jobs.values()) {
    if (!isFinished(job)) ledger.note((await (await fetch(`${url}/jobs/${job.id}`, { signal })).json()) as JobAnswer);
  }
};

/** Points an alias to another version. */
export const changeAlias: Action = async ({ url, ledger, random, signal }) => {
  const name = pick(MODELS, random);
  const versions = ledger.versionsOf(name);
  if (versions.length === 0) return;
  const version = pick(versions, random);
  ledger.aliases.set(name, [...(ledger.aliases.get(name) ?? [0]), version]);
  const response = await fetch(`${url}/models/${name}/aliases/${ALIAS}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ version }),
    signal,
  });
  if (response.status !== 200) throw new Error(`${ALIAS} of ${name} cannot be set: ${await response.text()}`);
  ledger.aliases.set(name, [version]);
};

/** Removes the oldest version that no alias points to. */
export const removeVersion: Action = async ({ url, ledger, random, signal }) => {
  const name = pick(MODELS, random);
  const versions = ledger.versionsOf(name);
  const version = versions.slice(0, -1).find((each) => !ledger.aliases.get(name)?.includes(each));
  if (versions.length <= MAX_VERSIONS || version === undefined) return;
  const key = `${name}@${version}`;
  ledger.versions.set(key, 'either');
  const response = await fetch(`${url}/models/${key}`, { method: 'DELETE', signal });
  if (response.status === 204) ledger.versions.set(key, 'absent');
  else if (response.status === 409) ledger.versions.set(key, 'present');
  else throw new Error(`${key} cannot be removed: ${await response.text()}`);
};

/** Imports a model with the command line, or removes an imported one. The command is killed with the server. */
export const importOrRemove: Action = async ({ dataDir, ledger, random, signal }) => {
  const there = [...ledger.imports].filter(([, expected]) => expected === 'present').map(([name]) => name);
  const removes = there.length > 1 || (there.length > 0 && random.next() < 0.4);
  const name = removes ? pick(there, random) : `import-${ledger.imports.size}`;
  const args = removes ? ['rm', name, '--yes'] : ['import', WEIGHTS, '--name', name, '--labels', 'tiny200', '--yes'];
  ledger.imports.set(name, 'either');
  const child = spawn(process.execPath, ['dist/src/main.js', ...args], {
    env: { ...process.env, DATA_DIR: dataDir },
    stdio: ['ignore', 'ignore', 'inherit'],
  });
  const kill = () => child.kill('SIGKILL');
  signal.addEventListener('abort', kill, { once: true });
  const [code] = await once(child, 'exit');
  signal.removeEventListener('abort', kill);
  if (code === 0) ledger.imports.set(name, removes ? 'absent' : 'present');
  else if (!signal.aborted) throw new Error(`menagerie ${args.join(' ')} ended with ${code}`);
};
