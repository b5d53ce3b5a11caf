/** Files of labels: what programs write, and what people make of it. */
import { describe, expect, it, test } from 'vitest';
import { parseLabels } from '../../src/entries/convert-node.js';
import { concat, expectError, utf8 } from '../helpers/weight-files.js';

const NAMES = ['café', 'rose', 'tulip'];
const utf16 = (text: string, swap: boolean) => {
  const bytes = new Uint8Array(Uint16Array.from(`\ufeff${text}`, (c) => c.charCodeAt(0)).buffer);
  return swap ? bytes.map((_, i) => bytes[i ^ 1]) : bytes;
};

test.each<[string, string | Uint8Array]>([
  ['lines', 'café\nrose\ntulip'],
  ['lines of Windows, with spaces and a tail', ' café\r\n\trose \r\ntulip\r\n\r\n  \n'],
  ['lines of an old Mac', 'café\rrose\rtulip\r'],
  ['UTF-8 with a byte order mark', concat(Uint8Array.of(0xef, 0xbb, 0xbf), utf8('café\nrose\ntulip'))],
  ['UTF-16, little-endian', utf16('café\nrose\ntulip\n', false)],
  ['UTF-16, big-endian', utf16('café\r\nrose\r\ntulip', true)],
  ['JSON in UTF-16', utf16(JSON.stringify(NAMES), false)],
  ['Teachable Machine: labels.txt', '0 café\n1 rose\n2 tulip\n'],
  ['numbers with colons', '0: café\n1: rose\n2: tulip\n'],
  ['ImageNet: synset_words.txt', 'n01440764 café\nn01443537 rose\nn01484850 tulip\n'],
  ['ImageNet as Python prints it', "{0: 'café',\n 1: \"rose\",\n 2: 'tulip'}\n"],
  ['a list', JSON.stringify(NAMES)],
  ['a list of objects', JSON.stringify(NAMES.map((name, id) => ({ id, name })))],
  ['by id', '{"0": "café", "2": "tulip", "1": "rose"}'],
  ['by name', '{"tulip": 2, "café": 0, "rose": 1}'],
  ['by name, ids as text', '{"tulip": "2", "café": "0", "rose": "1"}'],
  ['ImageNet: class index', '{"0": ["n1", "café"], "1": ["n2", "rose"], "2": ["n3", "tulip"]}'],
  ['config.json', '{"model_type": "mobilenet_v2", "id2label": {"0": "café", "1": "rose", "2": "tulip"}}'],
  ['label2id alone', '{"label2id": {"café": 0, "rose": 1, "tulip": 2}}'],
  [
    'Teachable Machine: metadata.json',
    '{"tfjsVersion": "1.3.1", "labels": ["café", "rose", "tulip"], "imageSize": 224}',
  ],
  ['timm', '{"architecture": "mobilenetv2_100", "label_names": ["café", "rose", "tulip"]}'],
])('%s', (_, text) => expect(parseLabels(typeof text === 'string' ? utf8(text) : text, 'labels')).toEqual(NAMES));

test('numbers that do not count from 0 are part of the names', () => {
  expect(parseLabels(utf8('1 cat\n2 dogs'), 'l')).toEqual(['1 cat', '2 dogs']);
  expect(parseLabels(utf8('7'), 'l')).toEqual(['7']);
  expect(parseLabels(utf8('[1, 2]'), 'l')).toEqual(['1', '2']);
});

it('takes bytes and a name, and says so', () => {
  expect(() => parseLabels('café' as never, 'l.txt')).toThrow(/^parseLabels: expected the bytes of a file/);
  expect(() => parseLabels(utf8('café'), 7 as never)).toThrow(/^parseLabels: /);
});

describe('an error says what the file is', () => {
  it.each<[string, string | Uint8Array, string[], 'BAD_HEADER'?]>([
    ['Latin-1', Uint8Array.of(0x63, 0xe9, 0x0a), ['UTF-8', 'Latin-1']],
    ['UTF-16 without a mark', utf16('rose\ntulip', false).subarray(2), ['UTF-16']],
    ['nothing', '', ['empty file']],
    ['an empty line between others', 'café\n\ntulip', ['line 2 is empty']],
    ['ids that leave a gap', '{"a": 0, "b": 2}', ['0 to 1', 'none for 1']],
    ['ids from 1', '{"1": "a", "2": "b"}', ['count from 1']],
    ['one id twice', '{"a": 0, "b": 0}', ['none for 1']],
    [
      'a git-lfs pointer',
      'version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n',
      ['git-lfs'],
      'BAD_HEADER',
    ],
    ['a page', '<!DOCTYPE html><html></html>', ['web page'], 'BAD_HEADER'],
    ['a TensorFlow.js model', '{"modelTopology": {}, "weightsManifest": []}', ['TensorFlow.js model']],
    ['a config without names', '{"model_type": "mobilenet_v2"}', ['without id2label']],
    ['a Python dict of something else', "{0: 'a',\n 'b': 1}", ['Python']],
    ['a number', '[{"x": 1}]', ['class 0']],
    ['ids and something else', '{"0": "a", "x": "b"}', ['an object with "0", "x"']],
  ])('%s', async (_, text, says, code) => {
    const bytes = typeof text === 'string' ? utf8(text) : text;
    await expectError(() => parseLabels(bytes, 'l.txt'), {
      code: code ?? 'CONFIG',
      file: 'l.txt',
      says: ['l.txt', ...says],
    });
  });
});
