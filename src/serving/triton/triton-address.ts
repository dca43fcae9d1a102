/** Where Triton listens for gRPC unless the setting says it. */
const DEFAULT_PORT = 8001;

/** The address in the setting `ENGINE`, as `host:port`; undefined when it is none. @param text `triton://host:8001` */
export function parseTritonAddress(text: string): string | undefined {
  if (!URL.canParse(text)) return undefined;
  const { protocol, hostname, port, username, password, pathname, search, hash } = new URL(text);
  const rest = [username, password, pathname.replace(/^\/$/, ''), search, hash].join('');
  if (protocol !== 'triton:' || hostname === '' || rest !== '') return undefined;
  return `${hostname}:${port || DEFAULT_PORT}`;
}
