import { SERVER_PATH } from './address.ts';

/** Milliseconds until a stream that the server refused is requested again. */
const REOPEN_MS = 3_000;

/** Called with the JSON data of each event, by the name of the event. */
type EventListeners = Readonly<Record<string, (data: unknown) => void>>;

/**
 * Follows a stream of server-sent events. A browser reconnects by itself when the connection breaks, but not after an
 * answer such as 503; this does.
 *
 * @param onConnection called when the stream breaks (false) and when it is back (true)
 * @returns a function that ends it
 */
export function followEvents(
  path: string,
  listeners: EventListeners,
  onConnection: (connected: boolean) => void = () => {},
): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const open = (): EventSource => {
    const source = new EventSource(SERVER_PATH + path);
    for (const [name, listener] of Object.entries(listeners)) {
      source.addEventListener(name, ({ data }) => listener(JSON.parse(data)));
    }
    source.addEventListener('open', () => onConnection(true));
    source.addEventListener('error', () => {
      onConnection(false);
      if (source.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(() => {
        current = open();
      }, REOPEN_MS);
    });
    return source;
  };
  let current = open();
  return () => {
    clearTimeout(timer);
    current.close();
  };
}
