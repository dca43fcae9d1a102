/** A place of the page, as it stands behind the `#`: `#/zoo/flowers?version=2`. */
export interface Route {
  /** `['zoo', 'flowers']`; empty at the beginning. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** Reads the part of an address from `#` on. */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const segments = path.split('/').filter((segment) => segment !== '');
  return { path: segments.map(decoded), query: new URLSearchParams(query) };
}

/** The address of a place. */
export function hrefOf(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`;
}

/** Goes there, as if a link had been followed. */
export function go(path: readonly string[], query: Readonly<Record<string, string>> = {}): void {
  location.hash = hrefOf(path, query);
}

/** What somebody typed into the address may be no encoding of anything. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
