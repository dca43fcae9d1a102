/** The alphabet of RFC 4648, and that for URLs and names of files. */
const BASE64 = /^(?:[A-Za-z0-9+/]*|[A-Za-z0-9_-]*)={0,2}$/;
/** RFC 2397, with its parameters. */
const DATA_URL = /^\s*data:[^,]{0,200};base64,/i;

/**
 * Decodes base64 as programs write it: with or without line breaks and padding, in the alphabet for URLs too, or in a
 * data URL.
 * @returns undefined when the text is no base64
 */
export function decodeBase64(text: string): Buffer | undefined {
  const given = text.slice(DATA_URL.exec(text)?.[0].length ?? 0);
  const compact = /\s/.test(given) ? given.replaceAll(/\s+/g, '') : given;
  if (!BASE64.test(compact)) return undefined;
  const digits = compact.length - (compact.endsWith('==') ? 2 : compact.endsWith('=') ? 1 : 0);
  const isWhole = digits % 4 !== 1 && (digits === compact.length || compact.length % 4 === 0);
  return isWhole ? Buffer.from(compact, 'base64') : undefined;
}
