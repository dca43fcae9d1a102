import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { DownloadError } from './download-error.ts';
import { runTool, ToolMissingError } from './run-tool.ts';
import { unpackArchive } from './unpack-archive.ts';

/**
 * Fetches an npm package with npm, which uses the registry, proxies and certificates of the user, and unpacks one
 * folder of it. No script of the package runs.
 *
 * @param integrity the SHA-512 that the package must have, written as npm does, whatever the registry says
 * @param folder an empty folder
 * @returns the path of the unpacked folder
 * @throws DownloadError when npm is missing, when it fails, or when the package has another integrity
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
    throw new DownloadError(`${spec} is fetched with npm, which is not installed here`);
  }
  const tarball = (await readdir(folder)).find((file) => file.endsWith('.tgz'));
  if (tarball === undefined) throw new DownloadError(`npm fetched no package for ${spec}`);
  const hash = createHash('sha512');
  await pipeline(createReadStream(join(folder, tarball)), hash);
  const found = `sha512-${hash.digest('base64')}`;
  if (found !== integrity) throw new DownloadError(`${spec} has integrity ${found}, not ${integrity}`);
  await unpackArchive(join(folder, tarball), folder, {
    wants: (file) => file.startsWith(`package/${path}/`),
    signal,
  });
  return join(folder, 'package', path);
}
