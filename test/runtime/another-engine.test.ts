/**
 * An engine whose memory is elsewhere and whose results come later fits in without a change to plans or networks. This one
 * keeps every allocation as bytes that nobody else can see, computes on copies of them, and lets events in before each piece
 * of work and each reading, as a graphics card would.
 */
import { describe, expect, it } from 'vitest';
import { MobileNetV2Config, MobileNetV2ForSemanticSegmentation, Tensor } from '../../src/entries/main-node.js';
import { FUSED } from '../../src/graph/passes/passes.js';
import type { Operands } from '../../src/layers/kernel.js';
import { findKernel } from '../../src/layers/kernels.js';
import { ELEMENT_BYTES, type ElementType, type Spec } from '../../src/layers/spec.js';
import { segmentationGraph } from '../../src/models/mobilenet-v2/architecture.js';
import type {
  BoundKernel,
  Elements,
  Engine,
  EngineSpec,
  FloatWeights,
  Region,
} from '../../src/runtime/engines/engine.js';
import { placeStep, placeWeights } from '../../src/runtime/engines/plain.js';
import { Network } from '../../src/runtime/network.js';
import { waves } from '../helpers/waves.js';

const later = () => new Promise((resolve) => setTimeout(resolve));

class DistantEngine implements Engine {
  readonly name = 'js';
  readonly threads = 1;
  readonly passes = FUSED;
  readonly bandsFrom = { fast: 100_000, low: 0 };
  readonly #memory = new Map<number, Uint8Array>();
  readonly #kernels = new Map<string, BoundKernel>();
  #last = 0;

  /** A copy of what a region holds. */
  #copy({ allocation, offset, length, type }: Region): Float32Array {
    const bytes = this.#memory.get(allocation) ?? new Uint8Array(0);
    return new Float32Array(bytes.slice(offset, offset + length * ELEMENT_BYTES[type]).buffer);
  }

  kernelFor(given: EngineSpec): BoundKernel {
    const spec = given as Spec; // this engine has real numbers alone
    const kernel = findKernel(spec, ['js', 'reference']);
    const key = `${kernel.op} ${kernel.engine}`;
    const bound: BoundKernel = this.#kernels.get(key) ?? {
      engine: kernel.engine,
      pack: (own, given, what) =>
        placeWeights(this, what, (place) => {
          const { weights, scale } = given as FloatWeights;
          return placeStep(place, given, kernel.pack(own as Spec, weights, scale));
        }),
      repack: (own, { weights, scale, bias }, packed) => {
        this.write(packed.weights, kernel.pack(own as Spec, weights, scale));
        this.write(packed.bias, bias);
      },
      bind: (own, operands) => [() => this.#compute(own as Spec, operands)],
    };
    this.#kernels.set(key, bound);
    return bound;
  }

  async #compute(spec: Spec, operands: Operands<Region>): Promise<void> {
    await later();
    const [x, weights, bias] = [operands.x, operands.weights, operands.bias].map((region) => this.#copy(region));
    const [residual, other, y] = [operands.residual, operands.other, operands.y].map((region) => this.#copy(region));
    findKernel(spec, ['js', 'reference']).run(spec, { x, weights, bias, residual, other, y });
    this.write(operands.y, y);
  }

  allocate(type: ElementType, length: number): Region {
    this.#memory.set(++this.#last, new Uint8Array(length * ELEMENT_BYTES[type]));
    return { type, allocation: this.#last, offset: 0, length };
  }

  free({ allocation }: Region): void {
    this.#memory.delete(allocation);
  }

  write({ allocation, offset }: Region, values: Elements): void {
    this.#memory.get(allocation)!.set(new Uint8Array(values.slice().buffer), offset);
  }

  async read(region: Region): Promise<Float32Array> {
    await later();
    return this.#copy(region);
  }

  async start(): Promise<void> {}
  dispose(): void {}
}

describe('an engine that copies and delays', () => {
  const config = new MobileNetV2Config({
    depth_multiplier: 0.35,
    num_labels: 5,
    output_stride: 16,
    initializer_range: 0.3,
  });
  const dims = [1, 3, 65, 48] as const;
  const pixels = waves(3 * 65 * 48, 0.37);

  it.each(['fast', 'low'] as const)('gives the bits of the js engine (memory: %s)', async (memory) => {
    const model = new MobileNetV2ForSemanticSegmentation(config, { device: 'js', memory: 'low', seed: 2 });
    const pixel_values = new Tensor('float32', pixels, [...dims]);
    const { logits, hidden_states } = await model({ pixel_values, output_hidden_states: [3] });
    const state = model.state_dict();
    const weights = (name: string) => state.get(name)!.data as Float32Array;
    const network = new Network(segmentationGraph(config), weights, new DistantEngine(), memory);
    const outputs = await network.run(pixels, dims, ['logits', 'hidden_states.3']);
    expect(outputs.get('logits')).toEqual(logits);
    expect(outputs.get('hidden_states.3')).toEqual(hidden_states![0]);
    const { steps, total } = await network.profile(dims, ['logits'], { pixels, runs: 1, signal: undefined });
    expect(steps.length).toBeGreaterThan(20);
    expect(total.min).toBeGreaterThan(0);
  });
});
