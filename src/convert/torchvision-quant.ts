/**
 * torchvision's quantized `mobilenet_v2`: the layers of the float one with batch norm in their weights. A convolution has a
 * quantized weight, a bias of real numbers, and `scale` and `zero_point` of what it makes; the sum of a block is `skip_add`, the
 * picture `quant`, and the classifier a tuple of weight and bias. Values are uint8, weights int8: with one scale (qnnpack) or
 * one for each channel (fbgemm, x86). The ReLU6 of the float network is a ReLU here; the range of the values ends it.
 *
 * Source: torchvision 0.28, models/quantization/mobilenetv2.py; PyTorch 2.13, torch/ao/nn/quantized/modules.
 */
import { listNames, MobileNetError, show } from '../base/errors.js';
import { mapped } from '../base/mapped.js';
import { roundHalfEven } from '../base/round.js';
import type { StoredTensor } from '../formats/stored.js';
import { Unpacking } from '../formats/unpacking.js';
import type { Graph, Node } from '../graph/nodes.js';
import { PREFIX, type State } from '../models/mobilenet-v2/weights.js';
import { Tensor } from '../tensor/tensor.js';
import { addShift, type Mapping, same, zeros } from './mapping.js';
import { elementsOf, realNumbers } from './tflite-constants.js';
import type { Layer } from './torch.js';

const EPSILON = 1e-5;
/** Where the classifier's weight and bias are: a tuple today, two tensors in older versions. */
const CLASSIFIERS = [
  ['classifier.1._packed_params._packed_params.0', 'classifier.1._packed_params._packed_params.1'],
  ['classifier.1._packed_params.weight', 'classifier.1._packed_params.bias'],
  ['classifier.1.weight', 'classifier.1.bias'],
];

export const isQuantizedTorchvision = (tensors: ReadonlyMap<string, StoredTensor>): boolean =>
  tensors.get('features.0.0.weight')?.quantization !== undefined;

interface QuantizedLayer {
  weight: StoredTensor;
  bias: StoredTensor | undefined;
}

/** @param layers torchvision's modules and our layers. @param mapping what else there is to say about torchvision's networks */
export function mapQuantizedTorchvision(
  tensors: ReadonlyMap<string, StoredTensor>,
  layers: readonly Layer[],
  file: string,
  head: boolean,
): Pick<Mapping, 'weights' | 'unmapped' | 'quantized'> {
  const rest = new Map(tensors);
  const take = (name: string): StoredTensor | undefined => {
    const stored = rest.get(name);
    rest.delete(name);
    return stored;
  };
  const weights: Mapping['weights'] = new Map();
  const found = new Map<string, QuantizedLayer>();
  const unpacking = new Unpacking(file);
  const add = (node: string, weight: StoredTensor | undefined, bias: StoredTensor | undefined): void => {
    if (weight === undefined) return;
    found.set(node, { weight, bias });
    const real = same(realNumbers({ ...weight, quantization: weight.quantization }, file, unpacking));
    const shift = bias === undefined ? zeros(weight.dims.slice(0, 1)) : same(bias);
    if (node === 'classifier') weights.set('classifier.weight', real).set('classifier.bias', shift);
    else {
      weights.set(`${PREFIX}${node}.convolution.weight`, real);
      addShift(weights, `${PREFIX}${node}.normalization`, shift, EPSILON);
    }
  };
  for (const [module, , node] of layers) add(node, take(`${module}.weight`), take(`${module}.bias`));
  for (const [weight, bias] of CLASSIFIERS) {
    const [matrix, shift] = [take(weight), take(bias)];
    if (head) add('classifier', matrix, shift);
  }
  const modules = new Map<string, string>([
    ['pixel_values', 'quant'],
    ...layers.map(([module, , node]) => [node, module] as const),
    ['classifier', 'classifier.1'],
    // Of all blocks; those without a sum have one that says nothing.
    ...Array.from({ length: 17 }, (_, i) => [`layer.${i - 1}.add`, `features.${i + 1}.skip_add`] as const),
  ]);
  const scales = new Map<string, StoredTensor>();
  for (const module of modules.values()) {
    for (const name of [`${module}.scale`, `${module}.zero_point`]) {
      const stored = take(name);
      if (stored !== undefined) scales.set(name, stored);
    }
  }
  const read = (graph: Graph) => new Reader(found, scales, modules, file).read(graph);
  return { weights, unmapped: [...rest.keys()], quantized: { dtype: 'uint8', read } };
}

/** real = scale · (raw − zeroPoint). */
interface ValueScale {
  scale: number;
  zeroPoint: number;
}

class Reader {
  readonly #layers: ReadonlyMap<string, QuantizedLayer>;
  readonly #scales: ReadonlyMap<string, StoredTensor>;
  readonly #modules: ReadonlyMap<string, string>;
  readonly #file: string;

  constructor(
    layers: ReadonlyMap<string, QuantizedLayer>,
    scales: ReadonlyMap<string, StoredTensor>,
    modules: ReadonlyMap<string, string>,
    file: string,
  ) {
    this.#layers = layers;
    this.#scales = scales;
    this.#modules = modules;
    this.#file = file;
  }

  read({ nodes }: Graph): State {
    this.#refuseMissing(nodes);
    const values = new Map<string, ValueScale>([['pixel_values', this.#valueScale('pixel_values')]]);
    const state: State = new Map();
    const isWhole = nodes.some((node) => node.op === 'convolution' && node.weight.startsWith(PREFIX));
    for (const node of nodes) {
      // The mean of all pixels is rounded at the scale that they have.
      values.set(node.name, node.op === 'average_pool' ? values.get(node.input)! : this.#valueScale(node.name));
      if (node.op !== 'convolution' && node.op !== 'linear') continue;
      this.#addLayer(state, node.name, node.weight.slice(0, -'.weight'.length), values.get(node.input)!.scale);
    }
    for (const [name, { scale, zeroPoint }] of values) {
      const path = isWhole && name !== 'pixel_values' && name !== 'classifier' ? `${PREFIX}${name}` : name;
      state.set(`${path}.scale`, new Tensor('float32', [scale], []));
      state.set(`${path}.zero_point`, new Tensor('int32', [zeroPoint], []));
    }
    return state;
  }

  #refuseMissing(nodes: readonly Node[]): void {
    const names = ['pixel_values', ...nodes.filter(({ op }) => op !== 'average_pool').map(({ name }) => name)];
    const missing = names
      .flatMap((name) => ['scale', 'zero_point'].map((part) => `${this.#modules.get(name)}.${part}`))
      .filter((name) => !this.#scales.has(name));
    if (missing.length === 0) return;
    throw new MobileNetError(
      'QUANT',
      `${this.#file}: its weights are quantized, but it lacks ${missing.length} scales and zero points of values (${listNames(missing, 4, 250)})`,
      { file: this.#file, tensor: missing[0], names: missing },
    );
  }

  #valueScale(node: string): ValueScale {
    const module = this.#modules.get(node)!;
    const [scale, zeroPoint] = ['scale', 'zero_point'].map((part) => this.#number(`${module}.${part}`));
    if (!(scale > 0 && scale < Infinity))
      throw this.#refusal(`${module}.scale`, `expected a finite number above 0, got ${scale}`);
    if (!(Number.isInteger(zeroPoint) && zeroPoint >= 0 && zeroPoint <= 255)) {
      throw this.#refusal(`${module}.zero_point`, `expected a whole number from 0 to 255, got ${zeroPoint}`);
    }
    return { scale, zeroPoint };
  }

  #number(name: string): number {
    const stored = this.#scales.get(name)!;
    const numbers = elementsOf({ ...stored, quantization: undefined });
    if (numbers.length === 1) return numbers[0];
    throw this.#refusal(name, `expected one number, got ${show(stored.dims)}`);
  }

  #addLayer(state: State, node: string, path: string, inputScale: number): void {
    const { weight, bias } = this.#layers.get(node)!;
    const { quantization, dtype, dims } = weight;
    if (quantization === undefined || dtype !== 'I8') {
      throw this.#refusal(weight.name, `expected weights of qint8, as the first layer has them, got ${dtype}`);
    }
    const { scales, zeroPoints, axis } = quantization;
    if (axis !== null && axis !== 0)
      throw this.#refusal(weight.name, `expected scales of output channels, got of dimension ${axis}`);
    const [zero] = zeroPoints;
    if (zeroPoints.some((one) => one !== zero) || !(zero >= -128 && zero <= 127)) {
      throw this.#refusal(weight.name, 'expected one zero point for all channels, from -128 to 127');
    }
    const count = dims[0];
    const ofChannel = axis === null ? new Float32Array(count).fill(scales[0]) : new Float32Array(scales);
    const shift = bias === undefined ? new Float32Array(count) : same(bias).read().data;
    const biases = mapped(new Int32Array(count), shift, (value, k) => {
      const whole = roundHalfEven(value / (inputScale * ofChannel[k]));
      if (Math.abs(whole) < 2 ** 31) return whole;
      throw this.#refusal(bias?.name ?? path, `expected a bias of at most 2^31 steps, got ${whole} in channel ${k}`);
    });
    state.set(`${path}.weight`, new Tensor('int8', new Int8Array(elementsOf({ ...weight, quantization })), dims));
    if (zero !== 0) state.set(`${path}.weight_zero_point`, new Tensor('int32', [zero], []));
    state.set(`${path}.weight_scale`, new Tensor('float32', ofChannel, [count]));
    state.set(`${path}.bias`, new Tensor('int32', biases, [count]));
  }

  #refusal(tensor: string, message: string): MobileNetError {
    const file = this.#file;
    return new MobileNetError('QUANT', `${show(tensor)}: ${message} in ${file}`, { file, tensor });
  }
}
