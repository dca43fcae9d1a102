import type { PixelTensor } from '../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs, RejectedBackend, SessionSource } from '../runtime/session.ts';

/** A model as engines know it. Same `key`, same file: a new version of a model has a new key. */
export interface EngineModel extends SessionSource {
  readonly key: string;
  /** How many engines may hold it at once, at least 1; as many as there are, when absent. */
  readonly engines?: number;
}

/** How a model came up in an engine. */
export interface LoadedModel {
  readonly key: string;
  readonly runtime: string;
  /** What computes it: see `Session.backend`. */
  readonly backend: string;
  /** Version of the runtime's library. */
  readonly version: string;
  readonly rejected: readonly RejectedBackend[];
}

/** From the server to an engine. `id` comes back with the reply. */
export type EngineRequest =
  | { readonly type: 'load'; readonly id: number; readonly model: EngineModel }
  | {
      readonly type: 'run';
      readonly id: number;
      readonly key: string;
      readonly pixels: PixelTensor;
      readonly outputs: readonly AnswerName[];
      /** For `explanation`: see `Session.run`. */
      readonly classes: ExplainedClasses | undefined;
    }
  | { readonly type: 'unload'; readonly id: number; readonly key: string };

/** From an engine to the server. `rss` is the engine's resident memory in bytes; that of a run may be a moment old. */
export type EngineReply =
  | { readonly type: 'ready'; readonly rss: number }
  | { readonly type: 'loaded'; readonly id: number; readonly model: LoadedModel; readonly rss: number }
  | { readonly type: 'ran'; readonly id: number; readonly outputs: Outputs; readonly rss: number }
  | { readonly type: 'unloaded'; readonly id: number; readonly rss: number }
  | {
      readonly type: 'failed';
      readonly id: number;
      readonly reason: string;
      /** Whether a file of the model is missing or damaged. */
      readonly damaged: boolean;
      readonly rss: number;
    };
