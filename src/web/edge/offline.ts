import { SERVER_PATH } from '../api/address.ts';

/**
 * Keeps the page itself in this browser, by its service worker. Settles when it would open without a connection.
 * @throws Error that says why the browser keeps no page
 */
export async function keepPage(): Promise<void> {
  if (!isSecureContext) throw new Error('Browsers keep pages only from addresses that begin with https.');
  if (!('serviceWorker' in navigator)) throw new Error('This browser keeps no pages: it may be a private window.');
  const registration = await navigator.serviceWorker.register(`${SERVER_PATH}/edge-worker.js`, {
    scope: `${SERVER_PATH}/edge`,
  });
  const worker = registration.installing ?? registration.waiting;
  if (registration.active !== null || worker === null) return;
  await new Promise<void>((resolve, reject) => {
    worker.addEventListener('statechange', () => {
      if (worker.state === 'activated') resolve();
      if (worker.state === 'redundant') reject(new Error('Not all of the page could be downloaded. Reload it.'));
    });
  });
}
