/** An encoding of the names in an archive, as `TextDecoder` calls it; `cp437` is that of the zip format. */
export type NameEncoding = 'cp437' | 'windows-1252' | 'shift_jis' | 'gbk' | 'big5';

interface MultiByteEncoding {
  readonly encoding: NameEncoding;
  /** Matches the frequent characters in these bytes, which are read as Latin-1. */
  readonly frequent: RegExp;
}

/**
 * Frequent characters. Shift-JIS: kana, the long vowel and kanji of level 1. GBK: hanzi of level 1 of GB 2312. Big5:
 * hanzi of level 1. The order matters for names that all read: Big5 has a second byte below 0x7f in four of ten
 * characters, which is no frequent character of GBK.
 */
const MULTI_BYTE: readonly MultiByteEncoding[] = [
  {
    encoding: 'shift_jis',
    frequent: /\x81[\x45\x5b]|\x82[\x9f-\xf1]|\x83[\x40-\x96]|[\x88-\x97][\x40-\x7e\x80-\xfc]/g,
  },
  { encoding: 'gbk', frequent: /[\xb0-\xd7][\xa1-\xfe]/g },
  { encoding: 'big5', frequent: /[\xa4-\xc6][\x40-\x7e\xa1-\xfe]/g },
];

/** Share of the characters that must be frequent. */
const MIN_FREQUENT = 0.75;
/** Share of the letters of a Latin name that may have accents. */
const MAX_ACCENTED = 0.5;

const LATIN: readonly { encoding: NameEncoding; letters: RegExp }[] = [
  { encoding: 'cp437', letters: /^[\x80-\x9a\xa0-\xa5\xe1]$/ },
  { encoding: 'windows-1252', letters: /^[\x8a\x8c\x8e\x92\x9a\x9c\x9e\x9f\xc0-\xd6\xd8-\xf6\xf8-\xff]$/ },
];

/**
 * The encoding of names that are not UTF-8, from all names of an archive together. Names in Latin letters are mostly
 * ASCII; others must consist of frequent characters of their encoding. Without evidence it is code page 437, as the
 * format says.
 */
export function detectNameEncoding(names: readonly Uint8Array[]): NameEncoding {
  const parts = new Set(names.flatMap((name) => partsOf(name)));
  const text = [...parts].join('/');
  const high = text.match(/[\x80-\xff]/g) ?? [];
  const letters = (text.match(/[A-Za-z]/g) ?? []).length + high.length;
  const latin = LATIN.find(({ letters: accented }) => high.every((byte) => accented.test(byte)))?.encoding;
  if (latin !== undefined && high.length <= letters * MAX_ACCENTED && !/[[\]^`{|}~\\@]/.test(text)) return latin;
  return multiByteEncoding(names, text) ?? latin ?? 'cp437';
}

/** The folders and the stem of a name that have bytes above ASCII, as Latin-1. */
function partsOf(name: Uint8Array): string[] {
  const text = Buffer.from(name).toString('latin1');
  return text
    .split('/')
    .map((part) => part.replace(/\.\w+$/, ''))
    .filter((part) => /[\x80-\xff]/.test(part));
}

function multiByteEncoding(names: readonly Uint8Array[], text: string): NameEncoding | undefined {
  return MULTI_BYTE.find(({ encoding, frequent }) => {
    const decoder = new TextDecoder(encoding, { fatal: true });
    try {
      for (const name of names) decoder.decode(name);
    } catch {
      return false;
    }
    const decoded = decoder.decode(Buffer.from(text, 'latin1'));
    const characters = decoded.match(/\P{ASCII}/gu) ?? [];
    return (text.match(frequent) ?? []).length >= characters.length * MIN_FREQUENT;
  })?.encoding;
}
