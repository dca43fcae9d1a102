import type { Command } from './command.ts';

/** An entry of the table of commands. */
export interface CommandEntry {
  /** What it does, in one sentence. */
  readonly summary: string;
  /** Loads the command: `menagerie --help` needs none of them. */
  readonly load: () => Promise<Command>;
}

/** The sub-commands, in the order of the help. */
export const COMMANDS: Readonly<Record<string, CommandEntry>> = {
  serve: {
    summary: 'Starts the server. This is what menagerie does without a command.',
    load: async () => (await import('./serve.ts')).serve,
  },
  worker: {
    summary: 'Works on the fine-tunes of servers that share a Redis, without a server of its own.',
    load: async () => (await import('./worker.ts')).worker,
  },
  classify: {
    summary: 'Names what images show.',
    load: async () => (await import('./classify.ts')).classify,
  },
  explain: {
    summary: 'Shows which parts of an image speak for a class.',
    load: async () => (await import('./explain.ts')).explain,
  },
  finetune: {
    summary: 'Teaches a model your own classes, from a folder or zip of labelled images.',
    load: async () => (await import('./finetune.ts')).finetune,
  },
  distill: {
    summary: 'Teaches a small model the answers of a large one, on pictures without labels.',
    load: async () => (await import('./distill.ts')).distill,
  },
  evaluate: {
    summary: 'Measures the accuracy of a model on labelled images.',
    load: async () => (await import('./evaluate.ts')).evaluate,
  },
  list: {
    summary: 'Lists the models that are here, and those that can be pulled.',
    load: async () => (await import('./list.ts')).list,
  },
  pull: {
    summary: 'Downloads the weights of models and verifies them. An interrupted pull resumes.',
    load: async () => (await import('./pull.ts')).pull,
  },
  import: {
    summary: 'Imports a model from elsewhere: safetensors, .pth, .pt, TF.js, ONNX, or an archive of these.',
    load: async () => (await import('./import.ts')).importModel,
  },
  export: {
    summary: 'Writes a model as ONNX, TF.js, safetensors or a model repository of Triton, in a zip.',
    load: async () => (await import('./export.ts')).exportModel,
  },
  quantize: {
    summary: 'Makes a model in 8-bit integers, which is smaller and faster.',
    load: async () => (await import('./quantize.ts')).quantize,
  },
  report: {
    summary: 'Shows the report of a fine-tuned model.',
    load: async () => (await import('./report.ts')).report,
  },
  rm: {
    summary: 'Removes models: pulled, imported or fine-tuned ones.',
    load: async () => (await import('./rm.ts')).rm,
  },
  keys: {
    summary: 'Creates, lists and revokes the keys of a server.',
    load: async () => (await import('./keys.ts')).keys,
  },
  verify: {
    summary: 'Compares the weights with the digests of their manifests.',
    load: async () => (await import('./verify.ts')).verify,
  },
  convert: {
    summary: 'Converts models to ONNX and TF.js before the first request.',
    load: async () => (await import('./convert.ts')).convert,
  },
  gc: {
    summary: 'Removes conversions, features and temporary files of models that no longer exist.',
    load: async () => (await import('./gc.ts')).gc,
  },
  prune: {
    summary: 'Removes files of an installation that this machine does not need, for containers.',
    load: async () => (await import('./prune.ts')).prune,
  },
};
