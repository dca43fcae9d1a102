import { z } from 'zod';
import type { SeenJob, SeenModel } from '../history.ts';

const jobSchema = z.object({
  id: z.string(),
  state: z.string(),
  failure: z.object({ code: z.string() }).nullable(),
  result: z.object({ model: z.string(), version: z.number() }).nullable(),
  options: z.object({ seed: z.number() }),
});

const versionsSchema = z.object({
  id: z.string(),
  versions: z.array(z.number()),
  aliases: z.record(z.string(), z.number()),
  damaged: z.array(z.object({ reference: z.string() })).default([]),
});

const listSchema = z.object({ models: z.array(versionsSchema), unavailable: z.array(versionsSchema) });

const answerSchema = z.object({
  version: z.number(),
  results: z.tuple([z.object({ predictions: z.array(z.object({ label: z.string(), score: z.number() })).min(1) })]),
});

/** A job in an answer. @throws when it is none */
export function jobIn(text: string): SeenJob {
  return seenJob(jobSchema.parse(JSON.parse(text)));
}

/** The jobs in an answer to `GET /jobs`. @throws when it is none */
export function jobsIn(text: string): SeenJob[] {
  return z
    .object({ jobs: z.array(jobSchema) })
    .parse(JSON.parse(text))
    .jobs.map(seenJob);
}

function seenJob({ id, state, failure, result, options }: z.output<typeof jobSchema>): SeenJob {
  const version = result === null ? null : { model: result.model, number: result.version };
  return { id, mark: options.seed, state, failure: failure?.code ?? null, version };
}

/** The fine-tuned models in an answer to `GET /models`. Names with a dot belong to the zoo. @throws when it is none */
export function modelsIn(text: string): SeenModel[] {
  const { models, unavailable } = listSchema.parse(JSON.parse(text));
  const all = [
    ...models,
    ...unavailable.map((model) => ({ ...model, damaged: [...model.damaged, { reference: model.id }] })),
  ];
  return all
    .filter(({ id }) => !id.includes('.'))
    .map(({ id, versions, aliases, damaged }) => ({
      id,
      versions,
      aliases,
      damaged: damaged.map(({ reference }) => reference),
    }));
}

/** The version that answered a classification, and its first prediction. @throws when it is none */
export function predictionIn(text: string): { version: number; label: string; score: number } {
  const { version, results } = answerSchema.parse(JSON.parse(text));
  const [first] = results[0].predictions;
  return { version, label: first?.label ?? '', score: first?.score ?? 0 };
}

/** The warnings in an answer to `GET /v2/health/ready`. @throws when it is none */
export function warningsIn(text: string): string[] {
  return z.object({ warnings: z.array(z.string()) }).parse(JSON.parse(text)).warnings;
}
