import { pino } from 'pino';
import { expect } from 'vitest';
import { temporaryDataDir } from '../../scripts/server-process.ts';
import { readConfig } from '../../src/config.ts';
import { measureAccuracy } from '../../src/evaluation/accuracy.ts';
import { createServices } from '../../src/services.ts';

/** Measures a model on a thousand validation images and compares with the accuracy that its manifest states. */
export async function expectStatedAccuracy(name: string, path: string): Promise<void> {
  const data = await temporaryDataDir();
  const services = await createServices(readConfig({ DATA_DIR: data.path }), pino({ level: 'silent' }));
  try {
    const model = services.registry.resolve(name);
    const { hierarchies } = services;
    const { signal } = new AbortController();
    const measured = await measureAccuracy(services, { model, runtime: 'onnx', path, hierarchies, signal });
    const stated = model.manifest.file.accuracy.find(({ images }) => images === 1000);
    expect(measured.images).toBe(1000);
    expect(Math.abs(100 * measured.top1 - (stated?.top1 ?? 0))).toBeLessThan(0.5);
    expect(Math.abs(100 * measured.top5 - (stated?.top5 ?? 0))).toBeLessThan(0.5);
  } finally {
    await services.close();
    await data.remove();
  }
}
