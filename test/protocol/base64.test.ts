import { expect, test } from 'vitest';
import { decodeBase64 } from '../../src/protocol/base64.ts';

/** Its base64 is `/+79/A==`. */
const BYTES = Buffer.from([255, 238, 253, 252]);

test.each([
  ['plain', '/+79/A=='],
  ['without padding', '/+79/A'],
  ['in the alphabet for URLs', '_-79_A=='],
  ['in the alphabet for URLs, without padding', '_-79_A'],
  ['in lines', '/+79\r\n/A==\r\n'],
  ['in a data URL', 'data:image/jpeg;base64,/+79/A=='],
  ['in a data URL with a character set', ' DATA:image/png;charset=utf-8;base64,/+79/A=='],
])('base64 %s is read', (_, text) => {
  expect(decodeBase64(text)).toEqual(BYTES);
});

test.each([
  ['other characters', '/+79/A=*'],
  ['both alphabets', '/-79/A=='],
  ['a digit too many', '/+79/A==A'],
  ['one digit alone', '/+79/'],
  ['too much padding', '/+79/A='],
  ['a data URL that is no base64', 'data:text/plain,hello'],
  ['hexadecimal text of another kind', 'not base64!'],
])('%s is no base64', (_, text) => {
  expect(decodeBase64(text)).toBeUndefined();
});
