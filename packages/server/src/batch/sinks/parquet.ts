/**
 * Parquet with a schema of our own: a list of float32 is LIST of FLOAT, also in a shard where no picture has one. Left to itself
 * the writer would make a column of JSON of it.
 */
import { parquetWriteBuffer } from 'hyparquet-writer';
import type { Task } from '../../workers/jobs.js';
import { isFailure, type Record } from '../records.js';

type SchemaElement = NonNullable<Parameters<typeof parquetWriteBuffer>[0]['schema']>[number];

interface Column {
  schema: SchemaElement[];
  /** Of a row; nothing where the picture failed. */
  value(record: Record): unknown;
}

export function parquet(records: readonly Record[], task: Task): Uint8Array {
  const columns: Column[] = [
    { schema: [{ name: 'file', ...STRING, repetition_type: 'REQUIRED' }], value: ({ file }) => file },
    ...COLUMNS[task],
    plain('error_code', STRING, (record) => errorOf(record)?.code),
    plain('error_message', STRING, (record) => errorOf(record)?.message),
  ];
  const root: SchemaElement = { name: 'schema', num_children: columns.length };
  const buffer = parquetWriteBuffer({
    columnData: columns.map(({ schema: [{ name }], value }) => ({ name, data: records.map(value) })),
    schema: [root, ...columns.flatMap(({ schema }) => schema)],
  });
  return new Uint8Array(buffer);
}

const STRING = { type: 'BYTE_ARRAY', converted_type: 'UTF8' } as const;
const FLOAT = { type: 'FLOAT' } as const;
const INT32 = { type: 'INT32' } as const;
type Element = typeof STRING | typeof FLOAT | typeof INT32;

const plain = (name: string, type: Element, value: Column['value']): Column => ({
  schema: [{ name, ...type, repetition_type: 'OPTIONAL' }],
  value,
});

/** Three levels, as parquet-format's LogicalTypes.md has lists, and as every reader knows them. */
const list = (name: string, type: Element, value: Column['value']): Column => ({
  schema: [
    { name, converted_type: 'LIST', repetition_type: 'OPTIONAL', num_children: 1 },
    { name: 'list', repetition_type: 'REPEATED', num_children: 1 },
    { name: 'element', ...type, repetition_type: 'REQUIRED' },
  ],
  value,
});

const errorOf = (record: Record) => (isFailure(record) ? record.error : undefined);
const labelsOf = (record: Record) => ('labels' in record ? record.labels : undefined);
const mapOf = (record: Record) => ('classes' in record ? record : undefined);

const COLUMNS: { [task in Task]: readonly Column[] } = {
  classify: [
    list('labels', STRING, (record) => labelsOf(record)?.map(({ label }) => label)),
    list('scores', FLOAT, (record) => labelsOf(record)?.map(({ score }) => score)),
  ],
  segment: [
    plain('width', INT32, (record) => mapOf(record)?.width),
    plain('height', INT32, (record) => mapOf(record)?.height),
    list('ids', INT32, (record) => mapOf(record)?.classes.map(({ id }) => id)),
    list('labels', STRING, (record) => mapOf(record)?.classes.map(({ label }) => label)),
    list('shares', FLOAT, (record) => mapOf(record)?.classes.map(({ share }) => share)),
    plain('mask', STRING, (record) => mapOf(record)?.mask),
  ],
  features: [list('features', FLOAT, (record) => ('features' in record ? Array.from(record.features) : undefined))],
};
