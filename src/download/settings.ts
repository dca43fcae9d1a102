import { DownloadError } from './download-error.ts';

/** The hub whose place `HF_ENDPOINT` takes. */
const HUB = 'https://huggingface.co';

/** How one gets out into the network. */
export interface ProxySettings {
  /** For `http:` and for `https:` URLs. */
  readonly http: URL | undefined;
  readonly https: URL | undefined;
  /** Hosts that are reached directly, as `NO_PROXY` lists them. */
  readonly none: readonly string[];
}

/** What the environment says about downloads. */
export interface DownloadSettings {
  /** Where the hub is asked; a path may stand behind its host. */
  readonly endpoint: URL;
  /** For the endpoint alone. */
  readonly token: string | undefined;
  readonly proxies: ProxySettings;
}

/**
 * Reads `HF_ENDPOINT`, `HF_TOKEN` and the proxy variables, in lower case first, as other programs do.
 * @throws DownloadError that names the variable that is wrong, without its value: it may hold a password
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

/** The proxy that stands between here and a URL; undefined where there is none. */
export function proxyFor(url: URL, { http, https, none }: ProxySettings): URL | undefined {
  return none.some((entry) => covers(entry, url)) ? undefined : url.protocol === 'https:' ? https : http;
}

/** An entry of `NO_PROXY` is `*`, a host with or without its port, or the end of hosts' names. */
function covers(entry: string, url: URL): boolean {
  if (entry === '*') return true;
  const [, host = entry, port] = /^\*?\.?([^:]+|\[.+\])(?::(\d+))?$/.exec(entry.toLowerCase()) ?? [];
  if (port !== undefined && port !== portOf(url)) return false;
  const hostname = withoutBrackets(url.hostname);
  return hostname === withoutBrackets(host) || hostname.endsWith(`.${host}`);
}

/** An IPv6 address as sockets want it. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '');
}

function portOf(url: URL): string {
  return url.port || (url.protocol === 'https:' ? '443' : '80');
}

/** A URL of the hub at the endpoint that takes its place; other URLs stay. */
export function atEndpoint(url: URL, endpoint: URL): URL {
  return url.origin === HUB ? under(endpoint, url.pathname) : url;
}

/** A path below a base URL, whatever slashes stand at the seam. */
export function under(base: URL, path: string): URL {
  const joined = new URL(base);
  joined.pathname = `${base.pathname.replace(/\/+$/, '')}/${path.replace(/^\/+/, '')}`;
  return joined;
}

/** A URL of `http:` or `https:`; undefined for anything else. */
export function parseHttpUrl(text: string, base?: URL): URL | undefined {
  if (!URL.canParse(text, base?.href)) return undefined;
  const url = new URL(text, base);
  return /^https?:$/.test(url.protocol) ? url : undefined;
}
