/**
 * The service worker of the page `edge`. It keeps the files of one build and serves them to that page, which comes from
 * the server whenever that answers. It touches no other request: no answer of the API, and no key, is ever kept here.
 */

/** Written into the worker by the build. */
interface Build {
  readonly version: string;
  /** The files of the page, relative to the worker. */
  readonly files: readonly string[];
}

/** What is used of the scope of a service worker, which the types for pages lack. */
interface WorkerScope {
  readonly BUILD: Build;
  readonly location: Location;
  readonly registration: ServiceWorkerRegistration;
  addEventListener(type: 'install' | 'activate', listener: (event: WorkerEvent) => void): void;
  addEventListener(type: 'fetch', listener: (event: FetchEvent) => void): void;
}

interface WorkerEvent {
  waitUntil(work: Promise<unknown>): void;
}

interface FetchEvent {
  readonly request: Request;
  respondWith(response: Promise<Response>): void;
}

const worker = self as unknown as WorkerScope;
const { version, files } = worker.BUILD;
/** The scope is the page. */
const page = worker.registration.scope;
/** Servers under other paths of this host have caches of their own. */
const cacheName = `${page}@${version}`;
const urls = new Set(files.map((file) => new URL(file, worker.location.href).href));

worker.addEventListener('install', (event) => event.waitUntil(keepFiles()));
worker.addEventListener('activate', (event) => event.waitUntil(forgetOtherBuilds()));
worker.addEventListener('fetch', (event) => {
  const { method, mode, url } = event.request;
  if (method !== 'GET') return;
  if (mode === 'navigate') event.respondWith(newestPage(event.request));
  // The name of a file contains its digest.
  else if (urls.has(url)) event.respondWith(keptFile(url));
});

async function keepFiles(): Promise<void> {
  const cache = await caches.open(cacheName);
  await cache.addAll([new Request(page, { cache: 'no-cache' }), ...urls]);
}

async function forgetOtherBuilds(): Promise<void> {
  const names = await caches.keys();
  const others = names.filter((name) => name.startsWith(`${page}@`) && name !== cacheName);
  await Promise.all(others.map((name) => caches.delete(name)));
}

async function newestPage(request: Request): Promise<Response> {
  const answer = await fetch(request).catch(() => undefined);
  // A proxy answers for a server that is gone.
  return answer?.ok ? answer : ((await found(page)) ?? answer ?? Response.error());
}

async function keptFile(url: string): Promise<Response> {
  return (await found(url)) ?? fetch(url);
}

async function found(url: string): Promise<Response | undefined> {
  const cache = await caches.open(cacheName);
  return cache.match(url, { ignoreVary: true });
}
