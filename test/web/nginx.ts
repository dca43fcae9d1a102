import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePort, until } from '../../scripts/server-process.ts';

/** Where Debian has it. */
const NGINX = '/usr/sbin/nginx';

/** Whether this machine has nginx; otherwise its tests are skipped. */
export const hasNginx = existsSync(NGINX);

/** A running nginx, with one address for each of its ways to serve a location. */
export interface Nginx {
  readonly urls: readonly string[];
  close(): Promise<void>;
}

/**
 * Starts nginx.
 * @param folder a folder of its own @param locations the content of a `server` block, one for each address
 */
export async function startNginx(folder: string, locations: readonly string[]): Promise<Nginx> {
  const ports = await Promise.all(locations.map(freePort));
  const servers = locations.map((location, index) => `server { listen 127.0.0.1:${ports[index]}; ${location} }`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${join(folder, name)};`,
  );
  const configuration = join(folder, 'nginx.conf');
  // Its workers otherwise run as nobody, who may not keep bodies in the folder.
  const user = process.getuid?.() === 0 ? 'user root;' : '';
  await writeFile(
    configuration,
    `${user} daemon off; pid ${join(folder, 'nginx.pid')}; error_log ${join(folder, 'error.log')};
    events {}
    http { access_log off; client_max_body_size 100m; ${temporary.join(' ')} ${servers.join('\n')} }`,
  );
  const child = spawn(NGINX, ['-p', folder, '-c', configuration, '-e', join(folder, 'error.log')], {
    stdio: 'inherit',
  });
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  await until(() =>
    Promise.all(urls.map(isAnswered)).then((answered) => child.exitCode !== null || answered.every(Boolean)),
  );
  if (child.exitCode !== null) throw new Error('nginx did not start');
  return { urls, close: () => stop(child) };
}

async function isAnswered(url: string): Promise<boolean> {
  return await fetch(url).then(
    () => true,
    () => false,
  );
}

async function stop(child: ChildProcess): Promise<void> {
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  await exit;
}
