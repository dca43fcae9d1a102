/** An encoding of the names in an archive, or of a table, as errors, warnings and the option `encoding` call it. */
export const ENCODINGS = [
  ...(['utf-8', 'cp437', 'cp850', 'windows-1252', 'windows-1251', 'koi8-r', 'cp866'] as const),
  ...(['shift_jis', 'gbk', 'big5', 'euc-kr'] as const),
] as const;
export type TextEncoding = (typeof ENCODINGS)[number];

/** Other names of the encodings, in lower case and without separators. */
const OTHER_NAMES: Readonly<Record<string, TextEncoding>> = {
  ...{ ibm437: 'cp437', ibm850: 'cp850', cp1252: 'windows-1252', latin1: 'windows-1252', iso88591: 'windows-1252' },
  ...{ cp1251: 'windows-1251', koi8: 'koi8-r', ibm866: 'cp866', dos866: 'cp866' },
  ...{ sjis: 'shift_jis', cp932: 'shift_jis', ms932: 'shift_jis', windows31j: 'shift_jis' },
  ...{ gb2312: 'gbk', gb18030: 'gbk', cp936: 'gbk', cp950: 'big5', cp949: 'euc-kr', uhc: 'euc-kr' },
};

/** The encoding that a name means, in any case and with any separators; undefined for an unknown one. */
export function encodingCalled(name: string): TextEncoding | undefined {
  const plain = plainName(name);
  return ENCODINGS.find((encoding) => plainName(encoding) === plain) ?? OTHER_NAMES[plain];
}

function plainName(name: string): string {
  return name.toLowerCase().replaceAll(/[\s_-]/g, '');
}

/** Characters of the bytes from 0x80, of code pages that `TextDecoder` does not have. */
const CODE_PAGES = {
  cp437:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜ¢£¥₧ƒáíóúñÑªº¿⌐¬½¼¡«»░▒▓│┤╡╢╖╕╣║╗╝╜╛┐└┴┬├─┼╞╟╚╔╩╦╠═╬╧╨╤╥╙╘╒╓╫╪┘┌█▄▌▐▀' +
    'αßΓπΣσµτΦΘΩδ∞φε∩≡±≥≤⌠⌡÷≈°∙·√ⁿ²■\u00a0',
  cp850:
    'ÇüéâäàåçêëèïîìÄÅÉæÆôöòûùÿÖÜø£Ø×ƒáíóúñÑªº¿®¬½¼¡«»░▒▓│┤ÁÂÀ©╣║╗╝¢¥┐└┴┬├─┼ãÃ╚╔╩╦╠═╬¤ðÐÊËÈıÍÎÏ┘┌█▄¦Ì▀' +
    'ÓßÔÒõÕµþÞÚÛÙýÝ¯´\u00ad±‗¾¶§÷¸°¨·¹³²■\u00a0',
} as const;

/** @throws TypeError when the bytes are not text in this encoding */
export function decodeText(bytes: Uint8Array, encoding: TextEncoding): string {
  if (encoding !== 'cp437' && encoding !== 'cp850') {
    return new TextDecoder(encoding, { fatal: true, ignoreBOM: true }).decode(bytes);
  }
  const page = CODE_PAGES[encoding];
  const latin1 = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return latin1.replaceAll(/[\x80-\xff]/g, (byte) => page[byte.charCodeAt(0) - 0x80] ?? byte);
}
