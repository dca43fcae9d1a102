/** Names of this machine, which no DNS server can give to another one. */
const LOCAL_NAMES = /^(?:localhost|.+\.localhost|127(?:\.\d+){3}|\[::1\]|\[::ffff:7f[\da-f]{2}:[\da-f]{1,4}\])$/;

/** Whether a host name, with or without a port, is one of this machine that no DNS server can give to another. */
export function isLocalName(host: string): boolean {
  return LOCAL_NAMES.test(nameOf(host));
}

/** The entries of a setting that lists names, in lower case. */
export function listOf(names: string): string[] {
  return names
    .toLowerCase()
    .split(/[\s,]+/)
    .filter((name) => name !== '');
}

/** A host without its port, in lower case; IPv6 addresses in brackets. */
export function nameOf(host: string): string {
  const url = `http://${/:.*:/.test(host) && !host.startsWith('[') ? `[${host}]` : host}`;
  return URL.canParse(url) ? new URL(url).hostname : host;
}
