/**
 * Teaches a model the classes of a folder with one folder per class, and shows how far it is. Ctrl-C cancels it and
 * leaves nothing behind: node dist/scripts/examples/teach.js photos/ flowers
 */
import { openZoo } from 'menagerie';

const [folder = 'photos', name = 'flowers'] = process.argv.slice(2);
const interrupted = new AbortController();
process.once('SIGINT', () => interrupted.abort(new Error('cancelled')));

const zoo = await openZoo({ dataDir: process.env['DATA_DIR'] ?? './data' });
try {
  const job = await zoo.finetune(folder, { name, epochs: 20, signal: interrupted.signal });
  let phase = '';
  for await (const progress of job) {
    if (progress.phase !== phase) console.log(`${progress.phase} ...`);
    phase = progress.phase;
  }
  const { model, version, accuracy, verdict, nextSteps } = await job.result;
  console.log(`${model}, version ${version}: accuracy ${accuracy?.toFixed(3) ?? 'not tested'}`);
  for (const { text } of verdict) console.log(text);
  for (const step of nextSteps) console.log(`next: ${step}`);
} catch (thrown) {
  console.error(thrown instanceof Error ? thrown.message : thrown);
  process.exitCode = 1;
} finally {
  await zoo.close();
}
