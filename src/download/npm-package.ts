import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DownloadError } from './download-error.ts';
import { runTool, ToolMissingError } from './run-tool.ts';

/**
 * Fetches an npm package by npm, so that its registry, proxies and certificates are the user's own, and unpacks a folder of
 * it. No script of the package runs.
 * @param integrity sha512 in npm's words, which the package must have whatever the registry says
 * @param folder an empty folder @returns the unpacked folder
 * @throws DownloadError when there is no npm, with what npm said, or when the package is another one
 */
export async function fetchNpmFolder(
  { name, version, path, integrity }: { name: string; version: string; path: string; integrity: string },
  folder: string,
  signal: AbortSignal,
): Promise<string> {
  const spec = `${name}@${version}`;
  try {
    await runTool('npm', ['pack', spec, '--pack-destination', folder, '--ignore-scripts', '--silent'], signal);
  } catch (thrown) {
    if (!(thrown instanceof ToolMissingError)) throw thrown;
    throw new DownloadError(`${spec} comes from the npm registry by npm, and there is no npm here`);
  }
  const tarball = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (tarball === undefined) throw new DownloadError(`npm fetched nothing of ${spec}`);
  const hash = createHash('sha512');
  await pipeline(createReadStream(join(folder, tarball)), hash);
  const found = `sha512-${hash.digest('base64')}`;
  if (found !== integrity) throw new DownloadError(`${spec} has integrity ${found}, not ${integrity}`);
  // A package is what its integrity pins: tar meets nothing that nobody has seen.
  await runTool('tar', ['-xzf', join(folder, tarball), '-C', folder, `package/${path}`], signal);
  return join(folder, 'package', path);
}
