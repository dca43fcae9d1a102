// Completes the page that works offline when it is built: its service worker learns which files to keep, and it gets the
// manifest with which browsers install it.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const PAGE = 'edge.html';
const WORKER = 'edge-worker.js';
const MANIFEST = 'edge.webmanifest';

/** @param {string} folder where the pages were built */
export function completeOfflinePage(folder) {
  const page = readFileSync(join(folder, PAGE), 'utf8');
  const files = filesOf(page, folder);
  const version = createHash('sha256').update(page).update(files.join()).digest('hex').slice(0, 16);
  const worker = readFileSync(join(folder, WORKER), 'utf8');
  writeFileSync(join(folder, WORKER), `self.BUILD=${JSON.stringify({ version, files })};\n${worker}`);
  writeFileSync(join(folder, MANIFEST), JSON.stringify(manifestOf(files)));
}

/** Everything that a page may load: the files that it names, those which they name, and so on. */
function filesOf(page, folder) {
  const rest = new Set(readdirSync(join(folder, 'assets')));
  const files = [];
  const texts = [page];
  // It grows while it is read.
  for (const text of texts) {
    for (const name of [...rest].filter((each) => text.includes(each))) {
      rest.delete(name);
      files.push(`assets/${name}`);
      if (/\.(?:js|css)$/.test(name)) texts.push(readFileSync(join(folder, 'assets', name), 'utf8'));
    }
  }
  return files.sort();
}

function manifestOf(files) {
  return {
    name: 'Menagerie in the browser',
    short_name: 'Menagerie',
    description: 'Runs image models in this browser, with or without a connection.',
    start_url: './edge',
    scope: './edge',
    display: 'standalone',
    background_color: '#f7f5f0',
    theme_color: '#0e6b58',
    icons: [{ src: files.find((file) => file.endsWith('.svg')), type: 'image/svg+xml', sizes: 'any' }],
  };
}
