// Puts the compiled code of the command, and with it of the server, into few files: three quarters of a start were spent
// on finding and opening those of 450 modules. The library, the child processes and the threads run as they were compiled.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

/** The folder of package.json. */
const ROOT = fileURLToPath(new URL('..', import.meta.url));
const COMPILED = join(ROOT, 'dist/src');
const BUNDLE = join(ROOT, 'dist/bundle');

/** What cannot be bundled: native code, files beside the code, and what a user may install. */
const EXTERNAL =
  /^(?:node:.+|(?:sharp|onnxruntime-node|h5wasm|swagger-ui-dist|@opentelemetry\/sdk-node|@aws-sdk\/(?:client-s3|lib-storage)|bullmq|ioredis|@grpc\/grpc-js)(?:\/.*)?)$/;

const bundle = await rolldown({
  cwd: ROOT,
  input: join(COMPILED, 'main.js'),
  platform: 'node',
  external: EXTERNAL,
  plugins: [{ name: 'keep-addresses', transform: keepAddresses }],
});
const { output } = await bundle.write({
  dir: BUNDLE,
  cleanDir: true,
  entryFileNames: '[name].js',
  chunkFileNames: '[name]-[hash].js',
  // Line by line as it was compiled: stack traces are to be read.
  minify: false,
  comments: { legal: true, annotation: false, jsdoc: false },
});
await bundle.close();
const modules = output.flatMap((file) => Object.keys(file.modules ?? {}));
writeFileSync(join(BUNDLE, 'NOTICES.txt'), notices(modules));

/** Modules find child processes, packages and files of this package from where they were compiled to. */
function keepAddresses(code, id) {
  if (!id.startsWith(COMPILED) || !code.includes('import.meta.url')) return null;
  const path = relative(BUNDLE, id).replaceAll('\\', '/');
  return code.replaceAll('import.meta.url', `new URL('${path}', import.meta.url).href`);
}

/** The licences of the packages that modules belong to: every copy of their code must carry them. */
function notices(modules) {
  const folder = /^.*[/\\]node_modules[/\\](?:@[^/\\]+[/\\])?[^/\\]+/;
  const folders = new Set(modules.flatMap((path) => folder.exec(path) ?? []));
  return [...folders].sort().map(notice).join('\n');
}

function notice(folder) {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  const files = readdirSync(folder).filter((file) => /^(?:licen[cs]e|notice)/i.test(file));
  const texts = files.map((file) => readFileSync(join(folder, file), 'utf8').trim());
  return [`${name} ${version}: ${license}`, ...texts, ''].join('\n\n');
}
