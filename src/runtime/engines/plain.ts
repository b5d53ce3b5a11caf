/** The engines `reference` and `js`: kernels are functions on typed arrays, and every allocation is a buffer of its own. */
import { MobileNetError } from '../../base/errors.js';
import { DRAWN, FUSED } from '../../graph/passes/passes.js';
import type { Kernel, Operands, WasmKernel } from '../../layers/kernel.js';
import { findKernel } from '../../layers/kernels.js';
import { ELEMENT_BYTES, type ElementType, type Spec } from '../../layers/spec.js';
import { type BoundKernel, type Engine, NOTHING, type PackedWeights, type Region, type Work } from './engine.js';

/** Bytes of a wide tensor that no engine lays out, whatever its threads: they would leave every cache. */
export const WIDEST_BYTES = 16e6;

export class PlainEngine implements Engine {
  readonly name: 'reference' | 'js';
  readonly threads = 1;
  readonly passes;
  readonly bandsFrom;
  readonly #buffers = new Map<number, ArrayBuffer>();
  readonly #bound = onceForEach((kernel: Kernel) =>
    bindPlain(kernel, this, (region) => {
      const view = this.#view(region);
      return () => view;
    }),
  );
  #last = NOTHING.allocation;

  constructor(name: 'reference' | 'js') {
    this.name = name;
    // The reference engine runs the network as it is drawn.
    this.passes = name === 'reference' ? DRAWN : FUSED;
    this.bandsFrom = name === 'reference' ? { fast: Infinity, low: Infinity } : { fast: WIDEST_BYTES, low: 0 };
    this.#buffers.set(NOTHING.allocation, new ArrayBuffer(0));
  }

  kernelFor(spec: Spec): BoundKernel {
    // The js kernels leave layers wider than any real one.
    return this.#bound(findKernel(spec, this.name === 'js' ? ['js', 'reference'] : ['reference']));
  }

  allocate(type: ElementType, length: number, what: string): Region {
    const bytes = length * ELEMENT_BYTES[type];
    try {
      this.#buffers.set(++this.#last, new ArrayBuffer(bytes));
    } catch (cause) {
      throw outOfMemory(bytes, what, cause);
    }
    return { type, allocation: this.#last, offset: 0, length };
  }

  free({ allocation }: Region): void {
    this.#buffers.delete(allocation);
  }

  write(region: Region, values: Float32Array): void {
    this.#view(region).set(values);
  }

  read(region: Region): Float32Array {
    return this.#view(region);
  }

  #view({ allocation, offset, length }: Region): Float32Array {
    return new Float32Array(this.#buffers.get(allocation)!, offset, length);
  }

  async start(): Promise<void> {}
  dispose(): void {}
}

/** Binds a kernel when it is first asked for; from then on it is the same object, as `BoundKernel` promises. */
export function onceForEach<K extends Kernel | WasmKernel>(
  bind: (kernel: K) => BoundKernel,
): (kernel: K) => BoundKernel {
  const known = new Map<K, BoundKernel>();
  return (kernel) => {
    const bound = known.get(kernel) ?? bind(kernel);
    known.set(kernel, bound);
    return bound;
  };
}

/**
 * A kernel on typed arrays, in the memory of any engine that can show it as such.
 * @param viewer gives what shows a region each time that it is used
 */
export function bindPlain(
  kernel: Kernel,
  memory: Pick<Engine, 'allocate' | 'free' | 'write'>,
  viewer: (region: Region) => () => Float32Array,
): BoundKernel {
  return {
    engine: kernel.engine,
    pack: (spec, { weights, scale, bias }, what) =>
      placeWeights(memory, what, (place) => ({ weights: place(kernel.pack(spec, weights, scale)), bias: place(bias) })),
    bind(spec: Spec, operands: Operands<Region>): Work[] {
      const [x, weights, bias] = [operands.x, operands.weights, operands.bias].map(viewer);
      const [residual, other, y] = [operands.residual, operands.other, operands.y].map(viewer);
      const run = () =>
        kernel.run(spec, { x: x(), weights: weights(), bias: bias(), residual: residual(), other: other(), y: y() });
      return [run];
    },
  };
}

/** All or nothing: what is allocated before memory runs out is given back. */
export function placeWeights(
  memory: Pick<Engine, 'allocate' | 'free' | 'write'>,
  what: string,
  work: (place: (values: Float32Array) => Region, room: (length: number) => Region) => PackedWeights,
): PackedWeights {
  const regions: Region[] = [];
  const room = (length: number): Region => {
    const region = memory.allocate('f32', length, what);
    regions.push(region);
    return region;
  };
  const place = (values: Float32Array): Region => {
    const region = room(values.length);
    memory.write(region, values);
    return region;
  };
  try {
    return work(place, room);
  } catch (error) {
    for (const region of regions) memory.free(region);
    throw error;
  }
}

export function outOfMemory(bytes: number, what: string, cause: unknown): MobileNetError {
  return new MobileNetError(
    'OUT_OF_MEMORY',
    `${what} needs ${Math.ceil(bytes / 2 ** 20)} MiB; use a smaller picture or batch`,
    { cause },
  );
}
