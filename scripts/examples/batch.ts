/**
 * Classifies every image below a folder and prints a line of CSV for each:
 * node dist/scripts/examples/batch.js photos/ [model]
 */
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openZoo } from 'menagerie';

const [folder = 'photos', model] = process.argv.slice(2);
const names = await readdir(folder, { recursive: true });
const images = names.filter((name) => /\.(jpe?g|png|webp)$/i.test(name)).sort();

const zoo = await openZoo({ dataDir: process.env['DATA_DIR'] ?? './data' });
try {
  console.log('file,label,score');
  const answers = await zoo.classify(
    images.map((name) => join(folder, name)),
    { topK: 1, ...(model !== undefined && { model }) },
  );
  for (const [index, { predictions, error }] of answers.entries()) {
    // An image that cannot be read does not keep the others from being answered.
    if (error !== undefined) console.error(`${images[index]}: ${error.message}`);
    for (const { label, score } of predictions) console.log(`${images[index]},"${label}",${score.toFixed(3)}`);
  }
} finally {
  await zoo.close();
}
