/** From steps to work: a kernel, its packed weights, and the regions it reads and writes. */
import type { Kernel, Spec, WasmKernel } from '../../layers/spec.js';
import { type Heap, PlainHeap, type Region } from '../../tensor/memory.js';
import { type Block, pieces } from './bands.js';
import { chooseKernel } from './choose.js';
import type { LoweredStep } from './lower.js';
import type { Machine, WasmMachine, Work } from './machine.js';

type AnyKernel = Kernel | WasmKernel;

/** Weights and bias in the order a kernel reads them in. */
interface Packed {
  weights: Region;
  bias: Region;
}

/** Packed weights, shared by all plans of a model: by step, then by the kernel that packed them. */
export type PackedWeights = Map<string, Map<AnyKernel, Packed>>;

export interface Binding {
  machine: Machine;
  packed: PackedWeights;
  /** Where the values of this plan lie. */
  regions: ReadonlyMap<string, Region>;
}

/** What stands for an operand that a kernel does not use. */
const NOTHING = new PlainHeap().allocate(0, 'nothing');

interface Operands {
  x: Region;
  bias: Region;
  residual: Region;
  y: Region;
}

/** The work of a step of its own. */
export function bindStep(step: LoweredStep, binding: Binding): Work[] {
  const { regions } = binding;
  const kernel = chooseKernel(step.spec, binding.machine.engine);
  const packed = packedWeights(step, kernel, binding);
  const operands = {
    x: regions.get(step.x)!,
    bias: step.biasFrom === null ? packed.bias : regions.get(step.biasFrom)!,
    residual: step.residual === null ? NOTHING : regions.get(step.residual)!,
    y: regions.get(step.y)!,
  };
  return bindKernel(kernel, step.spec, packed.weights, operands, binding.machine);
}

/** The work of three steps in bands of rows. */
export function bindBlock(block: Block, binding: Binding): Work[] {
  const { machine, regions } = binding;
  const parts = { widen: prepare(block.widen), filter: prepare(block.filter), project: prepare(block.project) };
  function prepare(step: LoweredStep) {
    const kernel = chooseKernel(step.spec, machine.engine);
    const residual = step.residual === null ? NOTHING : regions.get(step.residual)!;
    const packed = packedWeights(step, kernel, binding);
    return { kernel, packed, residual, x: regions.get(step.x)!, y: regions.get(step.y)! };
  }
  return pieces(block.spec).flatMap(({ of, spec, x, y }) => {
    const part = parts[of];
    const operands = {
      x: rest(part.x, x),
      bias: part.packed.bias,
      residual: rest(part.residual, y),
      y: rest(part.y, y),
    };
    return bindKernel(part.kernel, spec, part.packed.weights, operands, machine);
  });
}

/** A region from `offset` on. */
function rest(region: Region, offset: number): Region {
  return region === NOTHING || offset === 0 ? region : region.part(offset, region.length - offset);
}

function bindKernel(
  kernel: AnyKernel,
  spec: Spec,
  weights: Region,
  { x, bias, residual, y }: Operands,
  machine: Machine,
): Work[] {
  if (kernel.engine !== 'wasm') return [() => kernel.run(spec, x.view, weights.view, bias.view, residual.view, y.view)];
  const wasm = machine as WasmMachine;
  const calls = kernel.calls(spec, {
    x: x.address,
    weights: weights.address,
    bias: bias.address,
    residual: residual.address,
    y: y.address,
    zeros: wasm.zeros.address,
  });
  return calls.map((call) => wasm.bind(call));
}

function packedWeights(step: LoweredStep, kernel: AnyKernel, { machine, packed }: Binding): Packed {
  if (step.makeWeights === null) return { weights: NOTHING, bias: NOTHING };
  let byKernel = packed.get(step.name);
  if (byKernel === undefined) {
    byKernel = new Map();
    packed.set(step.name, byKernel);
  }
  let own = byKernel.get(kernel);
  if (own === undefined) {
    own = pack(step, kernel, machine.heap);
    byKernel.set(kernel, own);
  }
  return own;
}

/** Both or neither: what is allocated before memory runs out is given back. */
function pack(step: LoweredStep, kernel: AnyKernel, heap: Heap): Packed {
  const { weights, scale, bias } = step.makeWeights!();
  const regions: Region[] = [];
  const allocate = (length: number): Region => {
    const region = heap.allocate(length, `${step.name}: weights`);
    regions.push(region);
    return region;
  };
  const place = (values: Float32Array): Region => {
    const region = allocate(values.length);
    region.view.set(values);
    return region;
  };
  try {
    let packed: Region | undefined;
    const values = kernel.pack(step.spec, weights, scale, (length) => {
      packed = allocate(length);
      return packed.view;
    });
    return { weights: packed ?? place(values), bias: place(bias) };
  } catch (error) {
    for (const region of regions) heap.free(region);
    throw error;
  }
}
