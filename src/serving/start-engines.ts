import type { Logger } from '../common/logger.ts';
import { EnginePool, type EnginePoolOptions, engineCount } from './engine-pool.ts';

/** The settings of the engines. */
interface EngineSettings {
  readonly engineThreads: number;
  readonly cores: number;
  /** Triton server that computes the batches; '' for the engines themselves. */
  readonly engine: string;
}

/** Engines that are starting. */
export interface StartedEngines {
  readonly pool: EnginePool;
  /** Called when an engine was lost; to be set by who counts that. */
  onLost: NonNullable<EnginePoolOptions['onLost']>;
}

/**
 * Starts the engines that suit the machine. They take as long as it takes to load the server's modules: started before,
 * they are ready when the server is.
 */
export function startEngines({ engineThreads, cores, engine }: EngineSettings, logger: Logger): StartedEngines {
  const started: StartedEngines = {
    pool: new EnginePool({
      // Where Triton computes the batches, little is left for this machine.
      size: engine === '' ? engineCount(engineThreads) : 1,
      threads: cores,
      logger,
      onLost: (loss) => started.onLost(loss),
    }),
    onLost: () => {},
  };
  return started;
}
