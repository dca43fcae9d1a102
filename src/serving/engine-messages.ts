import type { PixelTensor } from '../common/tensor.ts';
import type { AnswerName, ExplainedClasses, Outputs, Session, SessionSource } from '../runtime/session.ts';

/** A version, for engines that have models under their names. */
export interface EngineVersion {
  readonly name: string;
  readonly version: number;
  /** Absent for floats. */
  readonly variant?: string;
  readonly weightsSha256: string;
}

/** A model to load into an engine. The same `key` means the same files and options. */
export interface EngineModel extends SessionSource {
  readonly key: string;
  /** How many engines may hold it at once, at least 1; all engines when absent. */
  readonly engines?: number;
  /** Engines that have models under their names need it. */
  readonly version?: EngineVersion;
}

/** A model that an engine has loaded, and what computes it there. */
export interface LoadedModel extends Pick<Session, 'runtime' | 'backend' | 'version' | 'rejected'> {
  readonly key: string;
}

/** Sent by the server to an engine. The reply has the same `id`. */
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

/**
 * Sent by an engine to the server. `rss` is the engine's resident memory in bytes; after a run it may be a second
 * old.
 */
export type EngineReply =
  | { readonly type: 'ready'; readonly rss: number }
  | { readonly type: 'loaded'; readonly id: number; readonly model: LoadedModel; readonly rss: number }
  | {
      readonly type: 'ran';
      readonly id: number;
      readonly outputs: Outputs;
      /** CPU time that the engine took since its last answer, over all its threads, in milliseconds. */
      readonly cpuMs: number;
      readonly rss: number;
    }
  | { readonly type: 'unloaded'; readonly id: number; readonly rss: number }
  | {
      readonly type: 'failed';
      readonly id: number;
      readonly reason: string;
      /** Whether a file of the model is missing or damaged. */
      readonly damaged: boolean;
      readonly rss: number;
    };
