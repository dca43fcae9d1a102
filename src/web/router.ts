/** The part of an address after `#`, for example `#/zoo/flowers?version=2`. */
export interface Route {
  /** `['zoo', 'flowers']`; empty for the start page. */
  readonly path: readonly string[];
  readonly query: URLSearchParams;
}

/** @param hash the address from `#` on */
export function parseRoute(hash: string): Route {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const segments = path.split('/').filter((segment) => segment !== '');
  return { path: segments.map(decoded), query: new URLSearchParams(query) };
}

/** The address of a route, from `#` on. */
export function hrefOf(path: readonly string[], query: Readonly<Record<string, string>> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${path.map(encodeURIComponent).join('/')}${search === '' ? '' : `?${search}`}`;
}

/** Navigates to a route. */
export function go(path: readonly string[], query: Readonly<Record<string, string>> = {}): void {
  location.hash = hrefOf(path, query);
}

/**
 * Notes in the address what a screen shows, so that back, a reload and a shared link find it. The screen is not opened
 * again, and going back does not pass through what was shown before.
 */
export function noteInAddress(name: string, value: string): void {
  const { path, query } = parseRoute(location.hash);
  query.set(name, value);
  history.replaceState(history.state, '', hrefOf(path, Object.fromEntries(query)));
}

/** A typed address may be encoded wrongly; such a segment is taken as it is. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
