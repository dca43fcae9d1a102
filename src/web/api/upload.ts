/** Called with the bytes of a body that have been sent, and with all of them. */
export type OnSent = (sent: number, total: number) => void;

interface CountedRequest {
  readonly method: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: BodyInit | null | undefined;
  readonly signal?: AbortSignal | null | undefined;
}

/**
 * Does what `fetch` does, and says how much of the body has been sent, which only an XMLHttpRequest knows.
 * @throws TypeError without an answer; the signal's reason
 */
export function fetchCounted(url: string, request: CountedRequest, onSent: OnSent): Promise<Response> {
  const { method, headers, body, signal } = request;
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const xhr = new XMLHttpRequest();
    const abort = (): void => xhr.abort();
    xhr.open(method, url);
    for (const [name, value] of Object.entries(headers)) xhr.setRequestHeader(name, value);
    xhr.upload.addEventListener('progress', ({ loaded, total }) => onSent(loaded, total));
    xhr.addEventListener('load', () => resolve(responseOf(xhr)));
    xhr.addEventListener('error', () => reject(new TypeError('the connection failed')));
    xhr.addEventListener('abort', () => reject(signal?.reason));
    xhr.addEventListener('loadend', () => signal?.removeEventListener('abort', abort));
    signal?.addEventListener('abort', abort);
    // Browsers send no stream this way; the page sends forms and texts.
    xhr.send(body as XMLHttpRequestBodyInit | null | undefined);
  });
}

function responseOf(xhr: XMLHttpRequest): Response {
  const headers = new Headers();
  for (const line of xhr.getAllResponseHeaders().trim().split('\r\n')) {
    const [name = '', ...value] = line.split(': ');
    if (name !== '') headers.append(name, value.join(': '));
  }
  const { status } = xhr;
  return new Response([204, 205, 304].includes(status) ? null : xhr.responseText, { status, headers });
}
