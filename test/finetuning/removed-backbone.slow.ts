import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { colourZip } from '../../scripts/labelled-zip.ts';
import { createLogger } from '../../src/common/logger.ts';
import { openZoo, type Zoo } from '../../src/index.ts';
import { FileArtifactStore } from '../../src/registry/file-artifact-store.ts';

const SHORT = { epochs: 2, augmentation: { copies: 1 } };

let folder: string;
let zip: string;
let zoo: Zoo;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'menagerie-removed-'));
  zip = join(folder, 'colours.zip');
  await writeFile(zip, await colourZip(8));
  zoo = await openZoo({ dataDir: folder });
});
afterEach(async () => {
  await zoo.close();
  await rm(folder, { recursive: true });
});

test('a training whose backbone another process removes says so', async () => {
  await (await zoo.finetune(zip, { name: 'plants', ...SHORT })).result;
  const store = await FileArtifactStore.open(join(folder, 'models'), createLogger('silent'));
  const remove = async () => {
    await store.removeAlias('plants', 'production');
    await store.removeVersion('plants', 1);
  };
  let removed: Promise<void> | undefined;
  const job = await zoo.finetune(zip, {
    name: 'flowers',
    backbone: 'plants@1',
    ...SHORT,
    onProgress: () => {
      removed ??= remove();
    },
  });
  await expect(job.result).rejects.toMatchObject({
    code: 'model_not_found',
    message: expect.stringContaining('the backbone "plants@1" was removed while it was needed'),
  });
  await removed;
});
