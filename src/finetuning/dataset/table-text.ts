/**
 * The text of a table in UTF-8 or UTF-16, without a byte-order mark. UTF-16 is recognized by its mark, or by zero bytes
 * in every other place.
 * @throws TypeError when it is neither
 */
export function tableText(content: Buffer): string {
  return new TextDecoder(encodingOf(content), { fatal: true }).decode(content);
}

function encodingOf(content: Buffer): string {
  if (content[0] === 0xff && content[1] === 0xfe) return 'utf-16le';
  if (content[0] === 0xfe && content[1] === 0xff) return 'utf-16be';
  const start = content.subarray(0, 64);
  const zeros = (parity: number) => start.filter((byte, index) => byte === 0 && index % 2 === parity).length;
  if (zeros(1) > start.length / 4) return 'utf-16le';
  return zeros(0) > start.length / 4 ? 'utf-16be' : 'utf-8';
}
