import { detectEncoding } from './detect-encoding.ts';
import { decodeText, type TextEncoding } from './text-encoding.ts';

/** Bytes that are enough to see the encoding of a table. */
const BYTES_TO_TRY = 256 * 1024;

/** The text of a table. */
export interface TableText {
  readonly text: string;
  /** The encoding that was detected; undefined when it is UTF-8 or UTF-16, or was given. */
  readonly detected: TextEncoding | undefined;
}

/**
 * Reads a table in UTF-8 or UTF-16, without a byte-order mark; else in `encoding` or, when it is not given, in the one
 * that fits. UTF-16 is recognized by its mark, or by zero bytes in every other place.
 * @throws TypeError when it is no text in the encoding
 */
export function tableText(content: Buffer, encoding?: TextEncoding): TableText {
  const unicode = unicodeEncodingOf(content);
  if (encoding === undefined || unicode !== 'utf-8') {
    try {
      return { text: new TextDecoder(unicode, { fatal: true }).decode(content), detected: undefined };
    } catch (thrown) {
      if (unicode !== 'utf-8' || content.includes(0)) throw thrown;
    }
  }
  if (encoding !== undefined) return { text: withoutMark(decodeText(content, encoding)), detected: undefined };
  // Whole lines, so that no character is cut.
  const start = content.subarray(0, (content.indexOf('\n', BYTES_TO_TRY) + 1 || content.length) - 1);
  // Spreadsheets write it.
  const detected = detectEncoding([start], 'windows-1252');
  return { text: decodeText(content, detected), detected };
}

function withoutMark(text: string): string {
  return text.replace(/^\ufeff/, '');
}

function unicodeEncodingOf(content: Buffer): 'utf-8' | 'utf-16le' | 'utf-16be' {
  if (content[0] === 0xff && content[1] === 0xfe) return 'utf-16le';
  if (content[0] === 0xfe && content[1] === 0xff) return 'utf-16be';
  const start = content.subarray(0, 64);
  const zeros = (parity: number) => start.filter((byte, index) => byte === 0 && index % 2 === parity).length;
  if (zeros(1) > start.length / 4) return 'utf-16le';
  return zeros(0) > start.length / 4 ? 'utf-16be' : 'utf-8';
}
