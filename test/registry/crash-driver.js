// Puts versions, each with an alias, and moves another alias until it is killed, and says on standard output, a JSON line
// each, what the store has acknowledged. Run by kill.slow.ts; plain JavaScript, since it is forked.
import { mkdirSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { createLogger } from '../../dist/src/common/logger.js';
import { FileArtifactStore } from '../../dist/src/registry/file-artifact-store.js';

const [folder, round] = process.argv.slice(2);
const store = await FileArtifactStore.open(join(folder, 'models'), createLogger('silent'));
const files = join(folder, `files-${round}`);
mkdirSync(files);

for (let i = 0; i < 1000; i += 1) {
  const key = `${round}.${i}`;
  writeFileSync(join(files, 'weights.safetensors'), key.repeat(10_000));
  const version = await store.putVersion('trees', files, key, () => 'candidate');
  writeSync(1, `${JSON.stringify({ version, key })}\n`);
  await store.setAlias('trees', 'production', version);
  writeSync(1, `${JSON.stringify({ version })}\n`);
}
