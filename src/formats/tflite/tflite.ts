/**
 * A TFLite file: one graph, its tensors and its operators, checked so that whoever follows it meets nothing impossible.
 * Tensors come out as views of the file. What the graph means is for others to say.
 *
 * Source: TensorFlow 2.20, compiler/mlir/lite/schema/schema.fbs; the numbers of fields below are those of the schema.
 */
import { env } from '../../base/env.js';
import { type ErrorCode, MobileNetError, show } from '../../base/errors.js';
import { checkFileBytes, checkTensorCount } from '../../base/limits.js';
import { type StoredDtype, type StoredQuantization, storedBytes } from '../stored.js';
import { Flatbuffer, type Table } from './flatbuffer.js';
import { METADATA_NAME } from './metadata.js';
import { kindOfOptions, operatorOf, optionsOf } from './operators.js';
import { readQuantization } from './quantization.js';

export interface TfliteTensor {
  name: string;
  dtype: StoredDtype;
  /** −1 where a size is not known before the network runs. */
  dims: readonly number[];
  /** Its values where it is a constant: a view, little-endian. */
  bytes: Uint8Array | undefined;
  /** Where its table lies in the file; where it is a constant, its bytes. */
  offset: number;
  quantization: StoredQuantization | undefined;
}

export interface TfliteOperator {
  /** CONV_2D and so on; `operator 200` where there is no name for it here. */
  op: string;
  version: number;
  /** False for an operator, or a version of one, of which nothing is known here. */
  isKnown: boolean;
  /** Undefined for one that is left out, such as a bias. */
  inputs: readonly (TfliteTensor | undefined)[];
  outputs: readonly TfliteTensor[];
  options: Readonly<Record<string, number>>;
}

export interface TfliteModel {
  /** In the order in which they run: each reads constants, inputs of the graph and what came before it. */
  operators: readonly TfliteOperator[];
  inputs: readonly TfliteTensor[];
  outputs: readonly TfliteTensor[];
  /** What it says about itself (metadata.ts). */
  metadata: Uint8Array | undefined;
}

/** Bytes 4 to 7. */
const IDENTIFIER = 'TFL3';
const IDENTIFIER_AT = 4;
const VERSION = 3;

const TYPES: Readonly<Record<number, StoredDtype>> = {
  ...{ 0: 'F32', 1: 'F16', 2: 'I32', 3: 'U8', 4: 'I64', 6: 'BOOL', 7: 'I16', 8: 'C64', 9: 'I8', 10: 'F64' },
  ...{ 12: 'U64', 15: 'U32', 16: 'U16' },
};

export const isTflite = (bytes: Uint8Array): boolean =>
  new TextDecoder('latin1').decode(bytes.subarray(IDENTIFIER_AT, IDENTIFIER_AT + 4)) === IDENTIFIER;

/**
 * @param file for messages
 * @throws MobileNetError FLATBUFFER with the offset; QUANT, DTYPE and SHAPE naming a tensor; BAD_HEADER, UNSUPPORTED for
 *   another version of the format and for more than one graph; LIMIT
 */
export function readTflite(bytes: Uint8Array, { file }: { file: string }): TfliteModel {
  checkFileBytes(bytes.length, env.limits.weightsBytes, file);
  if (!isTflite(bytes)) {
    const message = `${file}: expected a TFLite file, with ${IDENTIFIER} at byte ${IDENTIFIER_AT}`;
    throw new MobileNetError('BAD_HEADER', message, { file, offset: IDENTIFIER_AT });
  }
  const buffer = new Flatbuffer(bytes, file);
  const model = buffer.root();
  const version = model.number(0, 'uint32');
  if (version !== VERSION) {
    const message = `${file}: expected version ${VERSION} of the format, got ${version}`;
    throw new MobileNetError('UNSUPPORTED', message, { file, offset: model.at });
  }
  const graphs = model.tables(2);
  if (graphs.length !== 1) {
    const message = `${file}: expected one graph, got ${graphs.length}; a MobileNetV2 has no signatures of its own`;
    throw new MobileNetError('UNSUPPORTED', message, { file, offset: model.at });
  }
  const reader = new Reader(buffer, model);
  return { ...reader.graph(graphs[0]), metadata: reader.metadata(model) };
}

class Reader {
  readonly #buffer: Flatbuffer;
  readonly #codes: Table[];
  readonly #data: Table[];

  constructor(buffer: Flatbuffer, model: Table) {
    this.#buffer = buffer;
    this.#codes = model.tables(1);
    this.#data = model.tables(4);
  }

  metadata(model: Table): Uint8Array | undefined {
    const about = model.tables(6).find((table) => table.text(0) === METADATA_NAME);
    return about && this.#at(this.#data, about.number(1, 'uint32'), about, 'buffer').bytes(0)?.bytes;
  }

  graph(graph: Table): Omit<TfliteModel, 'metadata'> {
    const tables = graph.tables(0);
    checkTensorCount(tables.length, env.limits.tensors, this.#buffer.file);
    const tensors = tables.map((table) => this.#tensor(table));
    const pick = (table: Table, ids: readonly number[]) => ids.map((id) => this.#at(tensors, id, table, 'tensor'));
    const inputs = pick(graph, graph.int32s(1));
    const written = new Set(inputs);
    const operators = graph.tables(3).map((table) => {
      const code = this.#codeOf(table);
      const read = table.int32s(1).map((id) => (id === -1 ? undefined : this.#at(tensors, id, table, 'tensor')));
      for (const tensor of read) this.#checkRead(tensor, written, table);
      const outputs = pick(table, table.int32s(2));
      for (const tensor of outputs) this.#checkWritten(tensor, written, table);
      return { ...code, inputs: read, outputs };
    });
    const outputs = pick(graph, graph.int32s(2));
    for (const tensor of outputs) this.#checkRead(tensor, written, graph);
    return { operators, inputs, outputs };
  }

  #at<T>(list: readonly T[], index: number, table: Table, what: string): T {
    if (index >= 0 && index < list.length) return list[index];
    return this.#buffer.fail(table.at, `expected a ${what} of 0 to ${list.length - 1}, got ${index}`);
  }

  /** What is read must be there by then, so that no circle of operators waits for itself. */
  #checkRead(tensor: TfliteTensor | undefined, written: ReadonlySet<TfliteTensor>, table: Table): void {
    if (tensor === undefined || tensor.bytes !== undefined || written.has(tensor)) return;
    this.#buffer.fail(table.at, `${show(tensor.name)} is read before any operator has written it`);
  }

  #checkWritten(tensor: TfliteTensor, written: Set<TfliteTensor>, table: Table): void {
    if (tensor.bytes !== undefined || written.has(tensor)) {
      this.#buffer.fail(table.at, `${show(tensor.name)} is written twice, or is a constant`);
    }
    written.add(tensor);
  }

  #codeOf(table: Table): Pick<TfliteOperator, 'op' | 'version' | 'isKnown' | 'options'> {
    const codes = this.#at(this.#codes, table.number(0, 'uint32'), table, 'operator code');
    // The first field has a byte; codes from 127 on are in the second, which files before 2020 do not have.
    const code = Math.max(codes.number(0, 'int8'), codes.number(3, 'int32'));
    const version = codes.number(2, 'int32', 1);
    const { name, isKnown } = operatorOf(code, version);
    const custom = name === 'CUSTOM' ? `CUSTOM ${show(codes.text(1))}` : name;
    const kind = table.number(3, 'uint8');
    const expected = isKnown ? kindOfOptions(code) : 0;
    if (expected !== 0 && kind !== expected && kind !== 0) {
      this.#buffer.fail(table.at, `${name} has the options of another operator (${kind}, not ${expected})`);
    }
    const options = optionsOf(code, expected !== 0 && kind === expected ? table.table(4) : undefined);
    return { op: custom, version, isKnown, options };
  }

  #tensor(table: Table): TfliteTensor {
    const name = table.text(3);
    const type = table.number(1, 'int8');
    const dtype = Object.hasOwn(TYPES, type) ? TYPES[type] : undefined;
    if (dtype === undefined) {
      return this.#fail('DTYPE', name, `type ${type} of the format is not read here`, table.at);
    }
    if (table.table(6) !== undefined) this.#fail('UNSUPPORTED', name, 'its values are stored sparsely', table.at);
    const data = this.#dataOf(table);
    const dims = this.#dimsOf(table, name, data !== undefined);
    const offset = data?.at ?? table.at;
    if (data !== undefined && storedBytes(dtype, dims) !== data.bytes.length) {
      this.#fail('SHAPE', name, `${show(dims)} of ${dtype} do not take the ${data.bytes.length} bytes it has`, offset);
    }
    const quantization = readQuantization(table.table(4), { dtype, dims }, (code, message) =>
      this.#fail(code, name, message, table.at),
    );
    return { name, dtype, dims, bytes: data?.bytes, offset, quantization };
  }

  #dimsOf(table: Table, name: string, isConstant: boolean): number[] {
    // What a writer of a graph for any size left in place of -1, it says in a signature.
    const shape = table.int32s(0);
    const signature = table.int32s(7);
    const dims = signature.length === shape.length && !isConstant ? signature : shape;
    if (dims.some((size) => size < (isConstant ? 0 : -1)))
      this.#fail('SHAPE', name, `${show(dims)} is no shape`, table.at);
    // The batch may be of any size: the network takes one picture after another.
    return dims.map((size, d) => (d === 0 && size === -1 ? shape[0] : size));
  }

  /** The values of a constant. In files of more than 2 GB they follow the tables. */
  #dataOf(table: Table): { at: number; bytes: Uint8Array } | undefined {
    const index = table.number(2, 'uint32');
    if (index === 0 && this.#data.length === 0) return undefined;
    const data = this.#at(this.#data, index, table, 'buffer');
    const at = data.number(1, 'uint64');
    const size = data.number(2, 'uint64');
    if (at > 1 && size > 0) {
      this.#buffer.need(at, size);
      return { at, bytes: this.#buffer.bytes.subarray(at, at + size) };
    }
    const inside = data.bytes(0);
    return inside === undefined || inside.bytes.length === 0 ? undefined : inside;
  }

  #fail(code: ErrorCode, tensor: string, message: string, offset: number): never {
    const { file } = this.#buffer;
    throw new MobileNetError(code, `${show(tensor)}: ${message} in ${file}`, { file, tensor, offset });
  }
}
