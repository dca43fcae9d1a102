import { expect, test } from 'vitest';
import { moduleLiteral } from '../../../../src/convert/formats/tfjs-import/module-literal.ts';

const read = (literal: string) => moduleLiteral(`!function(a){a.exports=${literal}}(m);`, 'model.js');

test.each<[string, unknown]>([
  ['{a:1,"b":[.5,-.25,1e-3,-2],\'c\':{}}', { a: 1, b: [0.5, -0.25, 0.001, -2], c: {} }],
  ['{yes:!0,no:!1,nil:null,none:void 0}', { yes: true, no: false, nil: null, none: undefined }],
  ['[ "a\\"b" , \'it\\\'s\', "\\u00e9\\x41\\n" ]', ['a"b', "it's", 'éA\n']],
  ['{$ok:1,2:3,}', { $ok: 1, 2: 3 }],
  ['""', ''],
])('a literal as minifiers write it: %s', (literal, value) => {
  expect(read(literal)).toEqual(value);
});

test('the export is found inside the wrapper of a bundler', () => {
  const wrapped = 'function(){module.exports=a()}({1:[function(n,o,i){o.exports={layers:[1]}},{}]},{},[1])(1)';
  expect(moduleLiteral(wrapped, 'model.js')).toEqual({ layers: [1] });
});

test('a text may have megabytes', () => {
  const text = 'm9sa'.repeat(1_000_000);
  expect(read(JSON.stringify(text))).toBe(text);
});

test('a key may have the name of a built-in property', () => {
  const made = read('{"__proto__":{"polluted":1}}');
  expect(Object.getPrototypeOf(made)).toBe(Object.prototype);
  expect(Object.keys(made as object)).toEqual(['__proto__']);
});

test.each([
  ['{a:f()}', '"f()'],
  ['{a:1;}', 'a comma or "}"'],
  ['{a}', 'a key and a colon'],
  ['"abc', 'is not terminated'],
  ['[`a`]', 'is not a literal'],
  ['['.repeat(100), 'more than 60 levels deep'],
])('what is no literal is refused, not run: %s', (literal, reason) => {
  expect(() => read(literal)).toThrow(reason);
});

test('a module that does not export a literal is refused', () => {
  expect(() => moduleLiteral('module.exports = require("fs")', 'model.js')).toThrow(
    'model.js does not export a literal',
  );
});
