import { decodeText, type TextEncoding } from './text-encoding.ts';

interface MultiByteEncoding {
  readonly encoding: TextEncoding;
  /** How many of the characters are frequent ones. @param bytes as Latin-1 */
  frequent(bytes: string, characters: readonly string[]): number;
  /** Share of the characters that must be frequent. */
  readonly minimum: number;
}

/** Syllables that are frequent in Korean; there are 2,350, and any two bytes of GBK may be one of them. */
const FREQUENT_HANGUL = new Set(
  '가각간갈감갑강갓개거건걸검것게겨견결경계고곡곤골곰공과관광교구국군굴궁귀규그극근금급기긴길김까꼬꽃꿀끼나' +
    '난날남낮내너널네녀년노녹농높누눈느는늘능니다단달담당대더덕던덩데도독돈돌동돼된두둑둘둥뒤드든들등디따때떡' +
    '또라락란람랑래랙량러런럼레려력련렬령로록론롬료루류르른를름릉리린림립링마막만말망맞매머먹면명모목몸못무묵문' +
    '물미민밀바박반발밤방배백버번벌범법베벽변별병보복본볼봄봉부북분불브블비빈빛빨빵뿌사산살삼상새색생서석선설' +
    '섬성세소속손송쇠수순술숫숲쉬스슨습시식신실심십싱씨아악안않알암앞애앵야약양어언얼엄업없에여역연열염엽영예오' +
    '옥온올옷와완왕외요용우운울웅원월위유육윤은을음읍의이인일임입있잉자작잔잘잠장재저적전절점정제조족존종좋좌주준' +
    '줄중즈증지직진질집짐징짜차착찬참창채책천철첫청체초촉총최추축춘출충치친칠침카커컵케코콘콩쿠크키타탁탄태터테텔' +
    '토톤통투트티틱파판팔패팽퍼페펜편평포폭표푸품풍프플피하학한할함합항해핸햄행향허험현형호혼홍화환황회효후훈휴흑흰히힘',
);

/**
 * The order matters for names that all read: Korean needs frequent syllables, and Big5 has a second byte below 0x7f in
 * four of ten characters, which is no frequent character of GBK. Frequent are, in Shift-JIS, kana, the long vowel and
 * kanji of level 1; in GBK, hanzi of level 1 of GB 2312; in Big5, hanzi of level 1.
 */
const MULTI_BYTE: readonly MultiByteEncoding[] = [
  {
    encoding: 'shift_jis',
    frequent: counter(/\x81[\x45\x5b]|\x82[\x9f-\xf1]|\x83[\x40-\x96]|[\x88-\x97][\x40-\x7e\x80-\xfc]/g),
    minimum: 0.75,
  },
  {
    encoding: 'euc-kr',
    frequent: (_, characters) => characters.filter((character) => FREQUENT_HANGUL.has(character)).length,
    minimum: 0.6,
  },
  { encoding: 'gbk', frequent: counter(/[\xb0-\xd7][\xa1-\xfe]/g), minimum: 0.75 },
  { encoding: 'big5', frequent: counter(/[\xa4-\xc6][\x40-\x7e\xa1-\xfe]/g), minimum: 0.75 },
];

/** Share of the letters of a Latin name that may have accents. */
const MAX_ACCENTED = 0.5;

interface SingleByteEncoding {
  readonly encoding: TextEncoding;
  /** The bytes from 0x80 that are letters. */
  readonly letters: RegExp;
}

/** Of those that fit alike the first is taken: that of the zip format, which has most letters in common with cp850. */
const LATIN: readonly SingleByteEncoding[] = [
  { encoding: 'cp437', letters: /^[\x80-\x9a\xa0-\xa5\xe1]$/ },
  { encoding: 'windows-1252', letters: /^[\x8a\x8c\x8e\x92\x9a\x9c\x9e\x9f\xc0-\xd6\xd8-\xf6\xf8-\xff]$/ },
  {
    encoding: 'cp850',
    letters: /^[\x80-\x9b\x9d\xa0-\xa5\xb5-\xb7\xc6\xc7\xd0-\xd8\xde\xe0-\xe5\xe7-\xed]$/,
  },
];
const CYRILLIC: readonly SingleByteEncoding[] = [
  { encoding: 'windows-1251', letters: /^[\xa8\xb8\xc0-\xff]$/ },
  { encoding: 'koi8-r', letters: /^[\xa3\xb3\xc0-\xff]$/ },
  { encoding: 'cp866', letters: /^[\x80-\xaf\xe0-\xf1]$/ },
];
const FREQUENT_CYRILLIC = /[оеаинтсрвлкмдпуяы]/g;
/** Share of the letters of a Cyrillic text that must be frequent ones; in Russian they are 85 %. */
const MIN_FREQUENT_CYRILLIC = 0.6;
/** Fewer letters have no frequencies. */
const MIN_CYRILLIC = 4;

/**
 * The encoding of texts that are not UTF-8, from all of them together: the names of an archive, or the cells of a
 * table. Names in Latin letters are mostly ASCII; others must consist of frequent characters of their encoding.
 * @param fallback the encoding where nothing speaks for any; it goes before others that fit alike
 */
export function detectEncoding(texts: readonly Uint8Array[], fallback: 'cp437' | 'windows-1252'): TextEncoding {
  const parts = new Set(texts.flatMap((text) => partsOf(text)));
  const text = [...parts].join('/');
  const high = text.match(/[\x80-\xff]/g) ?? [];
  const letters = (text.match(/[A-Za-z]/g) ?? []).length + high.length;
  const preferred = [...LATIN].sort((a, b) => Number(b.encoding === fallback) - Number(a.encoding === fallback));
  const latin = mostRegular(preferred, text, high);
  if (latin !== undefined && high.length <= letters * MAX_ACCENTED && !/[[\]^`{|}~\\@]/.test(text)) return latin;
  return cyrillicEncoding(text, high) ?? multiByteEncoding(texts, text) ?? latin ?? fallback;
}

/** The folders and the stem of a name, or the cells of a table, that have bytes above ASCII, as Latin-1. */
function partsOf(bytes: Uint8Array): string[] {
  return Buffer.from(bytes)
    .toString('latin1')
    .split(/[/,;\t\r\n"]/)
    .map((part) => part.replace(/\.\w+$/, ''))
    .filter((part) => /[\x80-\xff]/.test(part));
}

/** Of the encodings in which all bytes are letters, the one with the fewest capitals after small letters. */
function mostRegular(
  encodings: readonly SingleByteEncoding[],
  text: string,
  high: readonly string[],
): TextEncoding | undefined {
  const fitting = encodings.filter(({ letters }) => high.every((byte) => letters.test(byte)));
  const irregular = ({ encoding }: SingleByteEncoding) =>
    (decodeText(Buffer.from(text, 'latin1'), encoding).match(/\p{Ll}\p{Lu}/gu) ?? []).length;
  return fitting.sort((a, b) => irregular(a) - irregular(b))[0]?.encoding;
}

/** Text in one of these is read as letters of the others too, but their capitals and frequencies make no sense then. */
function cyrillicEncoding(text: string, high: readonly string[]): TextEncoding | undefined {
  // Within a word there is no Latin letter.
  if (high.length < MIN_CYRILLIC || /[\x80-\xff][A-Za-z]|[A-Za-z][\x80-\xff]/.test(text)) return undefined;
  const fitting = CYRILLIC.filter(({ letters }) => high.every((byte) => letters.test(byte))).flatMap(({ encoding }) => {
    const decoded = decodeText(Buffer.from(text, 'latin1'), encoding);
    const frequent = (decoded.toLowerCase().match(FREQUENT_CYRILLIC) ?? []).length / high.length;
    const irregular = (decoded.match(/\p{Ll}\p{Lu}|\p{Lu}{2}/gu) ?? []).length / high.length;
    return frequent < MIN_FREQUENT_CYRILLIC ? [] : [{ encoding, score: frequent - irregular }];
  });
  return fitting.sort((a, b) => b.score - a.score)[0]?.encoding;
}

function multiByteEncoding(texts: readonly Uint8Array[], text: string): TextEncoding | undefined {
  return MULTI_BYTE.find(({ encoding, frequent, minimum }) => {
    try {
      for (const bytes of texts) decodeText(bytes, encoding);
    } catch {
      return false;
    }
    const characters = decodeText(Buffer.from(text, 'latin1'), encoding).match(/\P{ASCII}/gu) ?? [];
    return frequent(text, characters) >= characters.length * minimum;
  })?.encoding;
}

function counter(pattern: RegExp): MultiByteEncoding['frequent'] {
  return (bytes) => (bytes.match(pattern) ?? []).length;
}
