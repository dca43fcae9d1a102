import { createLogger } from '../../src/common/logger.ts';
import { EnginePool } from '../../src/serving/engine-pool.ts';
import { TritonEngines } from '../../src/serving/triton/triton-engines.ts';
import { describeEngines } from '../contract/engines.ts';
import { NAME, startTriton, VERSION } from './triton/stand-in.ts';

const logger = createLogger('silent');

describeEngines('engine processes', async (path) => {
  const pool = new EnginePool({ size: 2, threads: 2, logger });
  const model = { key: 'colours', runtime: 'onnx', threads: 1, path } as const;
  return { engines: pool, model, close: () => pool.close(1_000) };
});

describeEngines('a Triton server', async (path) => {
  const triton = await startTriton(path);
  const local = new EnginePool({ size: 1, threads: 1, logger });
  const options = { address: triton.address, local, logger, onLost: () => {} };
  const engines = await TritonEngines.connect(options);
  const version = { name: NAME, version: VERSION, weightsSha256: triton.weightsSha256 };
  await engines.prepare(version);
  let closed: Promise<void> | undefined;
  return {
    engines,
    model: { key: 'colours', runtime: 'onnx', threads: 1, path, version },
    // The last test closes them too.
    close: () => {
      closed ??= Promise.all([engines.close(), local.close(1_000), triton.close()]).then(() => undefined);
      return closed;
    },
  };
});
