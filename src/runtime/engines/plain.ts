/** The engines `reference` and `js`: kernels are functions on typed arrays, and every allocation is a buffer of its own. */
import { MobileNetError } from '../../base/errors.js';
import { DRAWN, FUSED } from '../../graph/passes/passes.js';
import type { Kernel } from '../../layers/kernel.js';
import type { I16Kernel } from '../../layers/kernel-i16.js';
import { findKernel } from '../../layers/kernels.js';
import { type AnySpec, ELEMENT_BYTES, type ElementType, type Spec } from '../../layers/spec.js';
import { wholeNumbers } from '../../layers/whole-numbers.js';
import {
  ARRAYS,
  type BoundKernel,
  type Elements,
  type Engine,
  type EngineSpec,
  type FloatWeights,
  type I16Weights,
  type KernelSet,
  NOTHING,
  type PackedWeights,
  type Region,
  type StepRegions,
  typeOf,
  type Work,
} from './engine.js';

/** Bytes of a wide tensor that no engine lays out, whatever its threads: they would leave every cache. */
export const WIDEST_BYTES = 16e6;

export class PlainEngine implements Engine {
  readonly name: 'reference' | 'js';
  readonly threads = 1;
  readonly passes;
  readonly bandsFrom;
  readonly #buffers = new Map<number, ArrayBuffer>();
  readonly #bound = onceForEach((kernel: Kernel | I16Kernel) =>
    bindPlain(kernel, this, (region) => {
      const view = this.#view(region);
      return () => view;
    }),
  );
  readonly #more: KernelSet['plain'];
  #last = NOTHING.allocation;

  constructor(name: 'reference' | 'js', more?: KernelSet) {
    this.name = name;
    this.#more = more?.plain ?? [];
    // The reference engine runs the network as it is drawn.
    this.passes = name === 'reference' ? DRAWN : FUSED;
    this.bandsFrom = name === 'reference' ? { fast: Infinity, low: Infinity } : { fast: WIDEST_BYTES, low: 0 };
    this.#buffers.set(NOTHING.allocation, new ArrayBuffer(0));
  }

  kernelFor(spec: EngineSpec): BoundKernel {
    // The js kernels leave layers wider than any real one.
    return this.#bound(findPlain(spec, this.name === 'js' ? ['js', 'reference'] : ['reference'], this.#more));
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

  write(region: Region, values: Elements): void {
    this.#view(region).set(values);
  }

  read(region: Region): Elements {
    return this.#view(region);
  }

  #view({ type, allocation, offset, length }: Region): Elements {
    return new ARRAYS[type](this.#buffers.get(allocation)!, offset, length);
  }

  async start(): Promise<void> {}
  dispose(): void {}
}

/** The first kernel of loops in JavaScript that can do this. Throws UNSUPPORTED when none can. */
export function findPlain(
  spec: EngineSpec,
  engines: readonly Kernel['engine'][],
  more: KernelSet['plain'],
): Kernel | I16Kernel {
  if (spec.dtype !== 'f32') return wholeNumbers().findI16Kernel(spec, engines);
  for (const engine of engines) {
    const found = more.find((kernel) => kernel.engine === engine && kernel.op === spec.op && kernel.supports(spec));
    if (found !== undefined) return found as Kernel; // it is called with such specs only
  }
  return findKernel(spec as Spec, engines);
}

/** Binds a kernel when it is first asked for; from then on it is the same object, as `BoundKernel` promises. */
export function onceForEach<K extends object>(bind: (kernel: K) => BoundKernel): (kernel: K) => BoundKernel {
  const known = new Map<K, BoundKernel>();
  return (kernel) => {
    const bound = known.get(kernel) ?? bind(kernel);
    known.set(kernel, bound);
    return bound;
  };
}

/** What kernels are to the function below: those of real numbers and of whole ones in one, each with its own arrays. */
interface AnyKernel {
  engine: Kernel['engine'];
  pack(spec: AnySpec, weights: Elements, scale?: FloatWeights['scale']): Elements;
  run(spec: AnySpec, operands: Record<keyof StepRegions, Elements>): void;
}

/**
 * A kernel on typed arrays, in the memory of any engine that can show it as such.
 * @param viewer gives what shows a region each time that it is used
 */
export function bindPlain(
  plain: Kernel | I16Kernel,
  memory: Pick<Engine, 'allocate' | 'free' | 'write'>,
  viewer: (region: Region) => () => Elements,
): BoundKernel {
  const kernel = plain as unknown as AnyKernel; // a spec and its arrays come together (compile/lower.ts)
  return {
    engine: kernel.engine,
    pack: (spec, step, what) =>
      placeWeights(memory, what, (place) =>
        placeStep(place, step, kernel.pack(spec as AnySpec, step.weights, 'scale' in step ? step.scale : null)),
      ),
    repack(spec, { weights, scale, bias }, packed) {
      memory.write(packed.weights, kernel.pack(spec as AnySpec, weights, scale));
      memory.write(packed.bias, bias);
    },
    bind(spec: EngineSpec, operands: StepRegions): Work[] {
      const [x, weights, bias, multiplier] = [operands.x, operands.weights, operands.bias, operands.multiplier].map(
        viewer,
      );
      const [residual, other, y] = [operands.residual, operands.other, operands.y].map(viewer);
      const run = () =>
        kernel.run(spec as AnySpec, {
          ...{ x: x(), weights: weights(), bias: bias(), multiplier: multiplier() },
          ...{ residual: residual(), other: other(), y: y() },
        });
      return [run];
    },
  };
}

/** Where the weights of a step go once they are packed. */
export function placeStep(
  place: (values: Elements) => Region,
  step: FloatWeights | I16Weights,
  packed: Elements | Region,
): PackedWeights {
  return {
    weights: 'allocation' in packed ? packed : place(packed),
    bias: place(step.bias),
    multiplier: 'multiplier' in step ? place(step.multiplier) : NOTHING,
  };
}

/** All or nothing: what is allocated before memory runs out is given back. */
export function placeWeights(
  memory: Pick<Engine, 'allocate' | 'free' | 'write'>,
  what: string,
  work: (place: (values: Elements) => Region, room: (length: number) => Region) => PackedWeights,
): PackedWeights {
  const regions: Region[] = [];
  const allocate = (type: ElementType, length: number): Region => {
    const region = memory.allocate(type, length, what);
    regions.push(region);
    return region;
  };
  const place = (values: Elements): Region => {
    const region = allocate(typeOf(values), values.length);
    memory.write(region, values);
    return region;
  };
  try {
    return work(place, (length) => allocate('f32', length));
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
