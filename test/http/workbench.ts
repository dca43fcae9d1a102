import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelAdministration } from '../../src/catalogue/model-administration.ts';
import { ModelCatalogue } from '../../src/catalogue/model-catalogue.ts';
import { createLogger } from '../../src/common/logger.ts';
import { FinetuneJobs } from '../../src/finetuning/finetune-jobs.ts';
import { ModelTrainer } from '../../src/finetuning/model-trainer.ts';
import { buildTrainingReport } from '../../src/finetuning/report/report.ts';
import type { HttpDependencies } from '../../src/http/app.ts';
import type { JobQueue } from '../../src/jobs/job-queue.ts';
import type { JobQueueLimits } from '../../src/jobs/job-queue-limits.ts';
import { ModelQuantizer } from '../../src/quantizing/model-quantizer.ts';
import { QuantizedModels } from '../../src/quantizing/quantized-models.ts';
import { ConceptGraph } from '../../src/registry/concept-graph.ts';
import { type ModelVersion, Registry } from '../../src/registry/registry.ts';
import { Repository } from '../../src/registry/repository.ts';
import { ConversionCache } from '../../src/serving/conversion-cache.ts';
import { reportInput } from '../finetuning/report/report-fixture.ts';
import { openMemoryJobQueue } from '../jobs/memory-job-queue.ts';
import { MemoryArtifactStore } from '../registry/memory-artifact-store.ts';
import { startServer, type TestServer } from './fixture.ts';

/** The seed of the zoo that these tests may count on. */
export const BACKBONE = 'resnet18_slim.tiny200';

/** A server over everything of fine-tuning but the training itself: jobs wait until a test takes them. */
export interface Workbench extends TestServer {
  readonly queue: JobQueue;
  readonly registry: Registry;
  readonly uploadDir: string;
  /** Versions whose queues were let go. */
  readonly released: readonly ModelVersion[];
  /** Publishes a version of a model with a report. */
  publish(name: string): Promise<number>;
}

export async function startWorkbench(
  overrides: Partial<HttpDependencies> = {},
  limits: Partial<JobQueueLimits> = { maxQueued: 2 },
): Promise<Workbench> {
  const folder = mkdtempSync(join(tmpdir(), 'menagerie-http-'));
  const uploadDir = join(folder, 'uploads');
  await mkdir(uploadDir);
  const logger = createLogger('silent');
  const store = new MemoryArtifactStore();
  const repository = new Repository('zoo', store);
  const registry = new Registry();
  for (const model of (await repository.list()).models) registry.set(model);
  const conversions = new ConversionCache(join(folder, 'converted'), logger);
  const quantized = new QuantizedModels(join(folder, 'quantized'));
  const queue = await openMemoryJobQueue(limits);
  const trainer = new ModelTrainer({
    registry,
    repository,
    store,
    conversions,
    logger,
    defaultBackbone: BACKBONE,
    zooDir: 'zoo',
    featureDir: join(folder, 'features'),
    maxFeatureBytes: 1e9,
    workDir: folder,
    icc: 'ignore',
    maxImagePixels: 50_000_000,
  });
  const finetuning = new FinetuneJobs(trainer, queue, logger);
  const released: ModelVersion[] = [];
  const server = await startServer({
    catalogue: new ModelCatalogue({
      graph: new ConceptGraph([]),
      registry,
      store,
      conversions,
      quantizer: { get: () => Promise.reject(new Error('nobody should ask for this here')) },
      quantized,
      defaultModel: BACKBONE,
      version: '0.0.0',
    }),
    administration: new ModelAdministration({
      registry,
      store,
      repository,
      release: async (model) => void released.push(model),
      conversions,
      quantized,
    }),
    finetuning,
    quantizer: new ModelQuantizer({
      registry,
      repository,
      store,
      conversions,
      quantized,
      release: async () => undefined,
      maxImagePixels: 50_000_000,
      logger,
    }),
    uploadDir,
    ...overrides,
  });
  const publish = async (name: string): Promise<number> => {
    const files = await mkdtemp(join(folder, 'version-'));
    await writeVersion(files, name);
    const version = await store.putVersion(name, files, files);
    await repository.refresh(registry, name);
    return version;
  };
  const close = async (): Promise<void> => {
    await finetuning.close();
    await server.close();
    await store.dispose();
    rmSync(folder, { recursive: true, force: true });
  };
  return { ...server, queue, registry, uploadDir, released, publish, close };
}

/** The weights of the backbone under another name, with a report. */
async function writeVersion(folder: string, name: string): Promise<void> {
  const manifest = JSON.parse(readFileSync(`zoo/${BACKBONE}/manifest.json`, 'utf8'));
  await writeFile(join(folder, manifest.weights.file), readFileSync(`zoo/${BACKBONE}/${manifest.weights.file}`));
  const own = { name, unknown_threshold: 0.4, provenance: { backbone: `${BACKBONE}@1` } };
  await writeFile(join(folder, 'manifest.json'), JSON.stringify({ ...manifest, ...own }));
  await writeFile(join(folder, 'report.json'), JSON.stringify(buildTrainingReport(reportInput())));
  await writeFile(
    join(folder, 'report-pictures.json'),
    JSON.stringify({ 'rose/1.jpg': 'data:image/jpeg;base64,/9j/' }),
  );
  await writeFile(join(folder, 'report.html'), '<!doctype html><title>Report</title><style>p{color:red}</style>');
}
