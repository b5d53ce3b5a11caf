/** The bytes of shards, read back by those who will read them. */
import { type FileMetaData, parquetMetadata, parquetReadObjects } from 'hyparquet';
import { describe, expect, it } from 'vitest';
import type { Record } from '../../src/batch/records.js';
import { encode } from '../../src/batch/sinks/sink.js';

const failed: Record = { file: 'bad, "quoted".jpg', error: { code: 'IMAGE', message: 'bad, "quoted".jpg: broken' } };
const classified: Record[] = [
  {
    file: 'a\u2028b.png',
    labels: [
      { label: 'malamute, malemute', score: Math.fround(0.3) },
      { label: 'husky', score: 0.25 },
    ],
  },
  { file: 'nothing.png', labels: [] },
  failed,
];
const vector = Float32Array.of(0.1, -1.5, 3e-8);
const features: Record[] = [{ file: 'a.png', dims: [3], features: vector }, failed];
const segmented: Record[] = [
  {
    file: 'a.png',
    width: 4,
    height: 2,
    classes: [
      { id: 12, label: 'dog', pixels: 6, share: 0.75, color: [1, 2, 3] },
      { id: 0, label: 'background', pixels: 2, share: 0.25, color: [0, 0, 0] },
    ],
    mask: 'masks/a.png',
  },
  failed,
];

const text = async (...args: Parameters<typeof encode>) => new TextDecoder().decode(await encode(...args));

describe('NDJSON', () => {
  it('is a JSON object a line, whatever a name holds', async () => {
    const lines = (await text(classified, 'classify', 'ndjson')).split('\n');
    expect(lines).toHaveLength(4);
    expect(lines.join('\n')).not.toMatch(/\u2028/);
    expect(lines.slice(0, 3).map((line) => JSON.parse(line))).toEqual(classified);
  });

  it('has features as numbers that are the same float32', async () => {
    const [line] = (await text(features, 'features', 'ndjson')).split('\n');
    expect(Float32Array.from(JSON.parse(line).features)).toEqual(vector);
  });
});

describe('CSV', () => {
  it('has a row a label, quotes what needs it, and says what failed', async () => {
    expect(await text(classified, 'classify', 'csv')).toBe(
      'file,rank,label,score,error\n' +
        'a\u2028b.png,1,"malamute, malemute",0.300000012,\n' +
        'a\u2028b.png,2,husky,0.25,\n' +
        '"bad, ""quoted"".jpg",,,,"bad, ""quoted"".jpg: broken"\n',
    );
  });

  it('has a column a feature, and a row a class', async () => {
    expect((await text(features, 'features', 'csv')).split('\n').slice(0, 2)).toEqual([
      'file,f0,f1,f2,error',
      'a.png,0.100000001,-1.5,2.99999989e-8,',
    ]);
    expect((await text(segmented, 'segment', 'csv')).split('\n')[1]).toBe('a.png,12,dog,6,0.75,masks/a.png,');
  });
});

describe('Parquet', () => {
  const read = async (bytes: Uint8Array) => {
    const file = bytes.slice().buffer;
    return { metadata: parquetMetadata(file), rows: await parquetReadObjects({ file }) };
  };
  const schemaOf = ({ schema }: FileMetaData) =>
    schema.map(({ name, type, converted_type, repetition_type }) =>
      [name, type, converted_type, repetition_type].filter(Boolean).join(' '),
    );

  it('has features as a LIST of FLOAT, also where there is none', async () => {
    const { metadata, rows } = await read(await encode(features, 'features', 'parquet'));
    const schema = [
      'schema',
      'file BYTE_ARRAY UTF8 REQUIRED',
      'features LIST OPTIONAL',
      'list REPEATED',
      'element FLOAT REQUIRED',
      'error_code BYTE_ARRAY UTF8 OPTIONAL',
      'error_message BYTE_ARRAY UTF8 OPTIONAL',
    ];
    expect(schemaOf(metadata)).toEqual(schema);
    expect(rows[0]).toMatchObject({ file: 'a.png', features: [...vector] });
    expect(rows[0].error_code ?? null).toBeNull();
    expect(rows[1]).toMatchObject({ file: failed.file, error_code: 'IMAGE' });
    expect(rows[1].features ?? null).toBeNull();
    expect(schemaOf((await read(await encode([failed], 'features', 'parquet'))).metadata)).toEqual(schema);
  });

  it('has labels and scores as two lists, and keeps an empty one', async () => {
    const { rows } = await read(await encode(classified, 'classify', 'parquet'));
    expect(rows[0]).toMatchObject({ labels: ['malamute, malemute', 'husky'], scores: [Math.fround(0.3), 0.25] });
    expect(rows[1]).toMatchObject({ labels: [], scores: [] });
    expect(rows[2]).toMatchObject({ error_message: 'bad, "quoted".jpg: broken' });
  });

  it('has classes of a segmentation with their shares', async () => {
    const { rows } = await read(await encode(segmented, 'segment', 'parquet'));
    expect(rows[0]).toMatchObject({ width: 4, height: 2, ids: [12, 0], shares: [0.75, 0.25], mask: 'masks/a.png' });
  });
});
