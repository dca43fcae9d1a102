import { DownloadError } from './download-error.ts';

/** The hub that `HF_ENDPOINT` replaces. */
const HUB = 'https://huggingface.co';

/** The proxies of this machine. */
export interface ProxySettings {
  /** The proxy for `http:` URLs. */
  readonly http: URL | undefined;
  /** The proxy for `https:` URLs. */
  readonly https: URL | undefined;
  /** Hosts that are reached directly: the entries of `NO_PROXY`. */
  readonly none: readonly string[];
}

/** The settings of downloads in the environment. */
export interface DownloadSettings {
  /** The base URL of the hub; may have a path. */
  readonly endpoint: URL;
  /** Sent to the endpoint only. */
  readonly token: string | undefined;
  readonly proxies: ProxySettings;
}

/**
 * Reads `HF_ENDPOINT`, `HF_TOKEN` and the proxy variables. Like in other programs, their lower-case names come first.
 *
 * @throws DownloadError that names the wrong variable, but not its value, which may hold a password
 */
export function readDownloadSettings(environment: Readonly<Record<string, string | undefined>>): DownloadSettings {
  const value = (...names: string[]) => names.map((name) => environment[name]?.trim()).find((text) => text);
  const url = (...names: string[]) => {
    const text = value(...names);
    if (text === undefined) return undefined;
    const parsed = parseHttpUrl(text.includes('://') ? text : `http://${text}`);
    if (parsed !== undefined) return parsed;
    throw new DownloadError(`${names.join(' or ')} must be an http: or https: URL`);
  };
  const all = url('all_proxy', 'ALL_PROXY');
  return {
    endpoint: url('HF_ENDPOINT') ?? new URL(HUB),
    token: value('HF_TOKEN'),
    proxies: {
      http: url('http_proxy', 'HTTP_PROXY') ?? all,
      https: url('https_proxy', 'HTTPS_PROXY') ?? all,
      none: (value('no_proxy', 'NO_PROXY') ?? '').split(/[\s,]+/).filter((entry) => entry !== ''),
    },
  };
}

/** The proxy for a URL; undefined when it is reached directly. */
export function proxyFor(url: URL, { http, https, none }: ProxySettings): URL | undefined {
  return none.some((entry) => covers(entry, url)) ? undefined : url.protocol === 'https:' ? https : http;
}

/** An entry of `NO_PROXY` is `*`, a host with or without its port, or a domain. */
function covers(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const [, host = entry, port] = /^\*?\.?([^:]+|\[.+\])(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
  if (port !== undefined && port !== portOf(url)) return false;
  const hostname = withoutBrackets(url.hostname);
  return hostname === withoutBrackets(host) || hostname.endsWith(`.${host}`);
}

/** An IPv6 address without the brackets it has in a URL. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80');
}

/** Moves a URL of the hub to the endpoint; returns other URLs as they are. */
export function atEndpoint(url: URL, endpoint: URL): URL {
  return url.origin === HUB ? under(endpoint, url.pathname) : url;
}

/** Appends a path to a base URL, with one slash between them. */
export function under(base: URL, path: string): URL {
  const joined = new URL(base);
  joined.pathname = `${base.pathname.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
  return joined;
}

/** Parses an `http:` or `https:` URL; undefined for anything else. */
export function parseHttpUrl(text: string, base?: URL): URL | undefined {
  if (!URL.canParse(text, base?.href)) return undefined;
  const url = new URL(text, base);
  return /^https?:$/.test(url.protocol) ? url : undefined;
}
