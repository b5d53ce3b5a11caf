/** The emitted kernels, alone and as `Reconstruction` calls them, without an entropy decoder. */
import type { Exports, Scale } from '../../../src/codecs/jpeg/frame.js';
import { DecoderMemory } from '../../../src/codecs/jpeg/memory.js';
import { emitSamples } from '../../../src/codecs/jpeg/samples/emit.js';
import { Reconstruction } from '../../../src/codecs/jpeg/samples/reconstruction.js';
import { ModuleBuilder } from '../../../src/tensor/wasm/assembler.js';
import type { Coefficients } from './reference.js';
import { ZIGZAG } from './slow-reader.js';

const compiled = (() => {
  const module = new ModuleBuilder({ initial: 1 });
  emitSamples(module);
  return new WebAssembly.Module(module.encode());
})();

export class Kernels {
  readonly memory = new DecoderMemory();
  readonly exports: Exports;

  constructor() {
    this.exports = new WebAssembly.Instance(compiled, { env: { memory: this.memory.memory } }).exports as Exports;
  }

  /** Address of a copy. */
  put(values: Int16Array | Uint16Array | Uint8Array, room = values.byteLength): number {
    const at = this.memory.allocate(room);
    this.memory.bytes.set(new Uint8Array(values.buffer, values.byteOffset, values.byteLength), at);
    return at;
  }

  bytes(at: number, count: number): Uint8Array {
    return this.memory.bytes.slice(at, at + count);
  }
}

/** Index in zigzag order of the last coefficient of a block that is not 0. */
export function lastOf(block: Int16Array): number {
  let k = 63;
  while (k > 0 && block[ZIGZAG[k]] === 0) k--;
  return k;
}

/** The picture, row of MCUs after row of MCUs. Rows must come in order, each once. */
export function rebuilt(picture: Coefficients, scale: Scale = 1): { width: number; height: number; data: Uint8Array } {
  const kernels = new Kernels();
  const parts = picture.components.map(({ blocksWide, v, quant }) => ({
    quant: kernels.put(quant),
    blocks: blocksWide * v,
    coefficients: kernels.memory.allocate(128 * blocksWide * v),
    last: kernels.memory.allocate(blocksWide * v),
  }));
  const components = picture.components.map((component, c) => ({ ...component, id: c, quant: parts[c].quant }));
  const rows: Uint8Array[] = [];
  let next = 0;
  const sink = {
    rows(data: Uint8Array, first: number, count: number) {
      if (first !== next) throw new Error(`row ${first} after row ${next - 1}`);
      next += count;
      rows.push(data.slice());
    },
  };
  const frame = { ...picture, components };
  const reconstruction = new Reconstruction(frame, kernels.memory, kernels.exports, sink, { scale });
  for (let y = 0; y < Math.ceil(picture.height / (8 * picture.vMax)); y++) {
    for (const [c, { blocks, coefficients, last }] of parts.entries()) {
      const values = picture.components[c].coefficients.subarray(y * blocks * 64, (y + 1) * blocks * 64);
      new Int16Array(kernels.memory.bytes.buffer, coefficients, blocks * 64).set(values);
      for (let block = 0; block < blocks; block++) {
        kernels.memory.bytes[last + block] = lastOf(values.subarray(64 * block, 64 * block + 64));
      }
    }
    const addresses = (key: 'coefficients' | 'last') => parts.map((part) => part[key]);
    reconstruction.iMcuRow(addresses('coefficients'), addresses('last'));
  }
  reconstruction.finish();
  const { width, height } = reconstruction.size;
  if (next !== height) throw new Error(`${next} rows of ${height}`);
  return { width, height, data: Uint8Array.from(rows.flatMap((part) => [...part])) };
}
