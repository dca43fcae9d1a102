const BASE64 = /^[A-Za-z0-9+/]*={0,2}$/;

/** Decodes base64, with or without line breaks. @returns undefined when the text is no base64 */
export function decodeBase64(text: string): Buffer | undefined {
  const compact = /\s/.test(text) ? text.replaceAll(/\s+/g, '') : text;
  return compact.length % 4 === 0 && BASE64.test(compact) ? Buffer.from(compact, 'base64') : undefined;
}
