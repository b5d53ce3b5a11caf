/**
 * The whiteboard's loops in WebAssembly without SIMD: reference.ts once more, one sum for every output, nothing blocked,
 * nothing packed. In the ablation it stands between JavaScript and SIMD, and shows what WebAssembly alone brings. Written
 * with our assembler, and good for nothing else.
 */
import { FUSED } from '../dist/graph/passes/passes.js';
import { scaled } from '../dist/layers/kernel.js';
import { findKernel } from '../dist/layers/kernels.js';
import { clampBounds, multiplyAdds } from '../dist/layers/spec.js';
import { makePlan } from '../dist/runtime/compile/plan.js';
import { bindPlain, placeStep, placeWeights } from '../dist/runtime/engines/plain.js';
import { WasmHeap } from '../dist/runtime/engines/wasm/heap.js';
import { f32, i32, ModuleBuilder, typed } from '../dist/tensor/wasm/assembler.js';

const { add, mul } = i32;
/** ((a·b + c)·d + e)…: the index of an element, from the outermost dimension in. */
const index = (first, ...rest) => {
  let at = first;
  for (let i = 0; i < rest.length; i += 2) at = add(mul(at, rest[i]), rest[i + 1]);
  return at;
};
const at = (base, element) => add(base, mul(element, 4));

/** for each of `sizes`, outermost first, a loop; the body gets the counters. */
function loops(f, sizes, body, counters = []) {
  if (sizes.length === 0) return body(...counters);
  const counter = f.local('i32');
  f.for(counter, 0, sizes[0], 1, () => loops(f, sizes.slice(1), body, [...counters, counter]));
}

const names = (text) => text.split(' ');
/** Declares a function of i32 parameters with these names, and the bounds of its activation. */
function func(module, name, parameters, body) {
  module.func(name, { ...typed('i32', ...parameters), ...typed('f32', 'lo', 'hi') }, (f, { lo, hi, ...rest }) => {
    const clamp = (sum) => f32.min(f32.max(sum, lo), hi);
    body(f, { ...rest, clamp });
  });
}

/** Adds x·w of a tap, unless it lies outside of the picture. */
function tap(f, { h, v, H, W, sum, x, w }) {
  const inside = i32.and(i32.lt_u(h, H), i32.lt_u(v, W)); // unsigned: below zero is far above
  f.if(inside, () => f.set(sum, f32.add(sum, f32.mul(f32.load(x()), f32.load(w())))));
}

function emitPointwise(module) {
  const parameters = names('x w bias residual y N P C K biasStep adds');
  func(module, 'pointwise', parameters, (f, { x, w, bias, residual, y, N, P, C, K, biasStep, adds, clamp }) => {
    const sum = f.local('f32');
    const [px, pw, end] = f.locals('i32', 3);
    loops(f, [N, P, K], (n, p, k) => {
      f.set(sum, f32.load(at(bias, index(n, biasStep, k))));
      f.set(px, at(x, mul(index(n, P, p), C)));
      f.set(pw, at(w, mul(k, C)));
      f.set(end, at(px, C));
      f.while(
        () => i32.lt_u(px, end),
        () => {
          f.set(sum, f32.add(sum, f32.mul(f32.load(px), f32.load(pw))));
          f.increase(px, 4);
          f.increase(pw, 4);
        },
      );
      f.if(adds, () => f.set(sum, f32.add(sum, f32.load(at(residual, index(n, P, p, K, k))))));
      f.store('f32.store', at(y, index(n, P, p, K, k)), clamp(sum));
    });
  });
}

function emitDepthwise(module) {
  const parameters = names('x w bias y N H W C OH OW stride dilation padTop padLeft');
  func(module, 'depthwise3x3', parameters, (f, { x, w, bias, y, N, H, W, C, OH, OW, clamp, ...window }) => {
    const { stride, dilation, padTop, padLeft } = window;
    const sum = f.local('f32');
    const [h, v] = f.locals('i32', 2);
    loops(f, [N, OH, OW, C], (n, oh, ow, c) => {
      f.set(sum, f32.load(at(bias, c)));
      loops(f, [3, 3], (r, s) => {
        f.set(h, add(i32.sub(mul(oh, stride), padTop), mul(r, dilation)));
        f.set(v, add(i32.sub(mul(ow, stride), padLeft), mul(s, dilation)));
        const from = { x: () => at(x, index(n, H, h, W, v, C, c)), w: () => at(w, index(c, 3, r, 3, s)) };
        tap(f, { h, v, H, W, sum, ...from });
      });
      f.store('f32.store', at(y, index(n, OH, oh, OW, ow, C, c)), clamp(sum));
    });
  });
}

function emitConv3x3(module) {
  const parameters = names('x w bias y N C H W K OH OW stride padTop padLeft');
  func(module, 'conv3x3', parameters, (f, { x, w, bias, y, N, C, H, W, K, OH, OW, clamp, ...window }) => {
    const { stride, padTop, padLeft } = window;
    const sum = f.local('f32');
    const [h, v] = f.locals('i32', 2);
    loops(f, [N, OH, OW, K], (n, oh, ow, k) => {
      f.set(sum, f32.load(at(bias, k)));
      loops(f, [C, 3, 3], (c, r, s) => {
        f.set(h, add(i32.sub(mul(oh, stride), padTop), r));
        f.set(v, add(i32.sub(mul(ow, stride), padLeft), s));
        const from = { x: () => at(x, index(n, C, c, H, h, W, v)), w: () => at(w, index(k, C, c, 3, r, 3, s)) };
        tap(f, { h, v, H, W, sum, ...from });
      });
      f.store('f32.store', at(y, index(n, OH, oh, OW, ow, K, k)), clamp(sum));
    });
  });
}

let compiled;
function instantiate(memory) {
  if (compiled === undefined) {
    const module = new ModuleBuilder({ initial: 1 });
    for (const emit of [emitPointwise, emitDepthwise, emitConv3x3]) emit(module);
    compiled = new WebAssembly.Module(module.encode());
  }
  return new WebAssembly.Instance(compiled, { env: { memory } }).exports;
}

/** The arguments of a call. @param a byte addresses: x, weights, bias, residual, y */
function argumentsOf(spec, a) {
  const { lo, hi } = clampBounds(spec.activation);
  const { batch, inHeight, inWidth, outHeight, outWidth, stride, padTop, padLeft } = spec;
  if (spec.op === 'pointwise') {
    const { pixels, inChannels, outChannels, biasPerImage, residual } = spec;
    const sizes = [batch, pixels, inChannels, outChannels, biasPerImage ? outChannels : 0, Number(residual)];
    return [a.x, a.weights, a.bias, a.residual, a.y, ...sizes, lo, hi];
  }
  const sizes =
    spec.op === 'depthwise3x3'
      ? [batch, inHeight, inWidth, spec.channels, outHeight, outWidth, stride, spec.dilation]
      : [batch, spec.inChannels, inHeight, inWidth, spec.outChannels, outHeight, outWidth, stride];
  return [a.x, a.weights, a.bias, a.y, ...sizes, padTop, padLeft, lo, hi];
}

/**
 * The engine: convolutions by these loops, the few other steps by the js kernels on the same memory.
 */
class ScalarEngine {
  name = 'js';
  threads = 1;
  passes = FUSED;
  bandsFrom = { fast: Infinity, low: Infinity };
  #memory = new WebAssembly.Memory({ initial: 1 });
  #heap = new WasmHeap(this.#memory);
  #functions = instantiate(this.#memory);

  kernelFor(spec) {
    if (multiplyAdds(spec) > 0) return this.#convolutions;
    return bindPlain(findKernel(spec, ['js']), this, (region) => () => this.read(region));
  }

  #convolutions = {
    engine: 'js',
    pack: (_spec, step, what) =>
      placeWeights(this, what, (place) => placeStep(place, step, scaled(step.weights, step.scale))),
    bind: (spec, operands) => {
      const addresses = Object.fromEntries(Object.entries(operands).map(([role, region]) => [role, address(region)]));
      const args = argumentsOf(spec, addresses);
      return [() => this.#functions[spec.op](...args)];
    },
  };

  allocate(type, length, what) {
    return { type, allocation: this.#heap.allocate(4 * length, what), offset: 0, length };
  }

  free({ allocation, length }) {
    this.#heap.free(allocation, 4 * length);
  }

  write(region, values) {
    this.read(region).set(values);
  }

  read(region) {
    return new Float32Array(this.#memory.buffer, address(region), region.length);
  }

  async start() {}
  dispose() {}
}

const address = ({ allocation, offset }) => allocation + offset;

/**
 * One convolution on operands of its own, weights in the checkpoint's order.
 * @returns `{ run, y }`; `y` gives the result
 */
export function scalarKernel(spec, operands) {
  const engine = new ScalarEngine();
  const regions = {};
  for (const [role, values] of Object.entries(operands)) regions[role] = engine.allocate('f32', values.length, role);
  for (const [role, values] of Object.entries(operands)) engine.write(regions[role], values);
  const [run] = engine.kernelFor(spec).bind(spec, regions);
  return { run, y: () => engine.read(regions.y) };
}

/**
 * A whole network.
 * @returns `{ plan, run, output }`; `run` reads what the plan's input holds
 */
export function scalarNetwork(model, dims) {
  const engine = new ScalarEngine();
  const state = model.state_dict();
  const weights = (name) => state.get(name).data;
  const how = { graph: model.graph, dims, outputs: ['logits'], weights };
  const plan = makePlan({ ...how, cache: new Map(), engine, memory: 'fast' });
  const work = plan.steps.flatMap((step) => step.work);
  return {
    plan,
    run() {
      for (const piece of work) piece();
    },
    output: () => engine.read(plan.outputs[0].region),
  };
}
