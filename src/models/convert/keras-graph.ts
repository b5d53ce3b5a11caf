/**
 * What a Keras graph says beyond its weights: the size of the input, how its pixels are scaled, what comes behind the
 * backbone. Everything that a MobileNetV2 of Hugging Face does not do is found here, all of it, and named.
 *
 * A graph is `{ class_name, config: { layers: [{ class_name, name, config, inbound_nodes }] } }`; a model in a model is a
 * layer that has layers. Sources: Keras 2.2 to 3.15, and applications/mobilenet_v2.py for the layers' names.
 */
import { isJsonObject, type JsonObject, type JsonValue } from '../../base/json.js';
import { after, type Scaling } from './pictures.js';

export interface KerasGraph {
  /** [height, width] of the input; undefined where the graph takes any. */
  size: [number, number] | undefined;
  /** Undefined where no layer scales: then the caller of the model had to. */
  scaling: Scaling | undefined;
  /** Whether the graph resizes pictures by itself. */
  resizes: boolean;
  epsilon: number;
  hidden_act: 'relu6' | 'relu';
  dropout: number | undefined;
  /** What the classifier's numbers go through; undefined without a classifier. */
  activation: 'softmax' | 'sigmoid' | 'linear' | undefined;
  /** The last Dense layer's name. */
  classifier: string | undefined;
  /** Layers that do nothing once training is over, but for dropout. */
  idle: string[];
  /** Layers behind the backbone that are left out, because only the backbone is wanted. */
  behind: string[];
  /** Layers, with the reason, that cannot be converted. */
  problems: { layer: string; reason: string }[];
}

interface Layer {
  kind: string;
  name: string;
  config: JsonObject;
  inbound: JsonValue | undefined;
}

/** Blocks whose first filter has stride 2. */
const STRIDE_2 = /^(?:Conv1|block_(?:1|3|6|13)_depthwise)$/;
/** Before these lies explicit padding, since Keras's own is not TensorFlow's; by how often the input was halved there. */
const PADS: Record<string, number> = { Conv1_pad: 0, block_1_pad: 1, block_3_pad: 2, block_6_pad: 3, block_13_pad: 4 };
/** Operations with a number n on pixels, by Keras 3's names and TensorFlow's: what they multiply by and add. */
const OPERATIONS: Record<string, (n: number) => [scale: number, offset: number]> = {
  truedivide: (n) => [1 / n, 0],
  truediv: (n) => [1 / n, 0],
  divide: (n) => [1 / n, 0],
  multiply: (n) => [n, 0],
  subtract: (n) => [1, -n],
  add: (n) => [1, n],
};
const operationOf = (name: string) => new Map(Object.entries(OPERATIONS)).get(name.toLowerCase());

/** Identity at inference. */
const IDLE =
  /^(?:Random\w+|GaussianNoise|GaussianDropout|SpatialDropout2D|ActivityRegularization|AlphaDropout|RandAugment|AugMix|MixUp|CutMix|AutoContrast)$/;

/** The layers of a model and of the models in it, in order. */
function flatten(model: JsonObject, into: Layer[] = []): Layer[] {
  const config = isJsonObject(model.config) ? model.config : undefined;
  // Keras before 2.2.3 wrote a Sequential's layers as its config.
  const layers = Array.isArray(model.config) ? model.config : config?.layers;
  if (Array.isArray(layers)) {
    for (const layer of layers) if (isJsonObject(layer)) flatten(layer, into);
  } else if (config !== undefined) {
    const name = String(model.name ?? config.name ?? model.class_name);
    into.push({ kind: String(model.class_name), name, config, inbound: model.inbound_nodes });
  }
  return into;
}

/**
 * Reads a graph. Never throws: what is odd about it becomes a problem.
 * @param head false: what lies behind the backbone's last activation is left out
 */
export function readGraph(topology: JsonObject, head = true): KerasGraph {
  const reader = new Reader(head);
  for (const layer of flatten(topology)) reader.visit(layer);
  return reader.finish();
}

class Reader implements KerasGraph {
  size: [number, number] | undefined;
  scaling: Scaling | undefined;
  resizes = false;
  epsilon = 0.001;
  hidden_act: 'relu6' | 'relu' = 'relu6';
  dropout: number | undefined;
  activation: KerasGraph['activation'];
  classifier: string | undefined;
  readonly idle: string[] = [];
  readonly behind: string[] = [];
  readonly problems: KerasGraph['problems'] = [];
  readonly #head: boolean;
  #ended = false;
  readonly #epsilons = new Set<number>();
  readonly #ceilings = new Set<JsonValue | undefined>();
  readonly #pads: [layer: Layer, halved: number][] = [];
  #pooled = false;
  #begun = false;

  constructor(head: boolean) {
    this.#head = head;
  }

  finish(): KerasGraph {
    const [epsilon = 0.001, ...epsilons] = this.#epsilons;
    if (epsilons.length > 0) this.#refuse('BatchNormalization', 'batch norms differ in epsilon');
    this.epsilon = epsilon;
    const [ceiling = 6, ...ceilings] = this.#ceilings;
    if (ceilings.length > 0 || (ceiling !== 6 && ceiling !== null))
      this.#refuse('ReLU', 'expected all of them to end at 6');
    this.hidden_act = ceiling === null ? 'relu' : 'relu6';
    for (const [layer, halved] of this.#pads) this.#checkPad(layer, halved);
    return this;
  }

  visit(layer: Layer): void {
    const { kind, name, config } = layer;
    if (this.#ended && !this.#head && !(kind === 'ReLU' || (kind === 'Activation' && this.behind.length === 0))) {
      this.behind.push(name);
      return;
    }
    if (name === 'Conv_1_bn') this.#ended = true;
    if (config.data_format === 'channels_first') this.#refuse(name, 'keeps channels first');
    if (IDLE.test(kind)) {
      this.idle.push(name);
      return;
    }
    switch (kind) {
      case 'InputLayer':
        this.#input(config);
        break;
      case 'Conv2D':
      case 'DepthwiseConv2D':
        this.#convolution(layer);
        break;
      case 'BatchNormalization':
        this.#epsilons.add(Number(config.epsilon ?? 0.001));
        break;
      case 'ReLU':
        if (Number(config.negative_slope ?? 0) !== 0 || Number(config.threshold ?? 0) !== 0) {
          this.#refuse(name, 'expected a plain ReLU');
        }
        this.#ceilings.add(config.max_value === undefined ? null : config.max_value);
        break;
      case 'Activation':
      case 'Softmax':
        this.#activation(name, kind === 'Softmax' ? 'softmax' : config.activation);
        break;
      case 'ZeroPadding2D':
        if (Object.hasOwn(PADS, name)) this.#pads.push([layer, PADS[name]]);
        else this.#refuse(name, 'pads where a MobileNetV2 does not');
        break;
      case 'Rescaling':
        this.#scale(name, this.#channels(config.scale), this.#channels(config.offset ?? 0));
        break;
      case 'Normalization':
        this.#normalization(layer);
        break;
      case 'Resizing':
        this.resizes = true;
        if (isSize(config.height) && isSize(config.width)) this.size = [config.height, config.width];
        break;
      case 'GlobalAveragePooling2D':
        this.#pooled = true;
        break;
      case 'Flatten':
      case 'Reshape':
        if (!this.#pooled) this.#refuse(name, 'expected GlobalAveragePooling2D before it');
        break;
      case 'Dropout':
        this.dropout = Number(config.rate ?? 0);
        break;
      case 'Dense':
        this.#dense(layer);
        break;
      default:
        this.#arithmetic(layer);
        break;
    }
  }

  #input(config: JsonObject): void {
    const shape = config.batch_shape ?? config.batch_input_shape;
    if (!Array.isArray(shape) || shape.length !== 4) return;
    const [, height, width, channels] = shape;
    if (channels !== 3 && channels !== null)
      this.#refuse('InputLayer', 'expected pictures of 3 channels, the last dimension');
    // The backbone's own input comes after the model's, and is what Resizing leads to.
    if (isSize(height) && isSize(width)) this.size = [height, width];
  }

  #convolution({ kind, name, config }: Layer): void {
    this.#begun = true;
    const stride = STRIDE_2.test(name) ? 2 : 1;
    const strides = config.strides;
    if (Array.isArray(strides) && strides.some((one) => one !== stride))
      this.#refuse(name, `expected stride ${stride}`);
    if (Array.isArray(config.dilation_rate) && config.dilation_rate.some((one) => one !== 1)) {
      this.#refuse(name, 'is dilated');
    }
    const activation = nameOf(config.activation);
    if (activation !== undefined && activation !== 'linear') this.#refuse(name, `has an activation, ${activation}`);
    const groups = kind === 'Conv2D' ? config.groups : config.depth_multiplier;
    if (groups !== undefined && groups !== 1) this.#refuse(name, 'is grouped');
  }

  /** Behind a Dense layer it is the classifier's, before it the backbone's. */
  #activation(name: string, value: JsonValue | undefined): void {
    const activation = nameOf(value);
    if (this.classifier !== undefined) {
      if (this.activation === 'linear') this.#activate(name, activation);
      else this.#refuse(name, 'is a second activation behind the classifier');
    } else if (activation === 'relu6') this.#ceilings.add(6);
    else if (activation === 'relu') this.#ceilings.add(null);
    else this.#refuse(name, `expected relu6, got ${activation}`);
  }

  #dense({ name, config }: Layer): void {
    if (!this.#pooled) this.#refuse(name, 'expected GlobalAveragePooling2D before it');
    if (this.classifier !== undefined)
      this.#refuse(this.classifier, 'is a hidden layer of the head; one Dense is all there can be');
    this.classifier = name;
    this.#activate(name, nameOf(config.activation));
  }

  #activate(name: string, activation: string | undefined): void {
    this.activation = 'linear';
    if (activation === 'softmax' || activation === 'sigmoid') this.activation = activation;
    else if (activation !== undefined && activation !== 'linear') {
      this.#refuse(name, `expected softmax, sigmoid or no activation, got ${activation}`);
    }
  }

  /** What `preprocess_input` becomes inside a model: operations with a number. Sums of two layers are the blocks'. */
  #arithmetic({ kind, name, config, inbound }: Layer): void {
    const operation = kind === 'TFOpLambda' ? String(config.function).replace(/^.*\./, '') : kind;
    const number = numberIn(inbound);
    const step = number === undefined ? undefined : operationOf(operation)?.(number);
    if (step !== undefined) this.#scale(name, this.#channels(step[0]), this.#channels(step[1]));
    else if (operation !== 'Add' || number !== undefined)
      this.#refuse(name, `is a ${kind}, which a MobileNetV2 does not have`);
  }

  #normalization({ name, config }: Layer): void {
    const { mean, variance, invert } = config;
    if (mean === undefined || mean === null || variance === undefined || variance === null || invert === true) {
      this.#refuse(name, 'learnt its mean and variance from data; only those given to it are read');
      return;
    }
    const deviation = this.#channels(variance).map((one) => Math.max(Math.sqrt(one), 1e-7));
    const means = this.#channels(mean);
    this.#scale(
      name,
      deviation.map((one) => 1 / one),
      means.map((one, c) => -one / deviation[c]),
    );
  }

  /** One number for all channels or one for each, however deep it lies in lists of one. */
  #channels(value: JsonValue | undefined): number[] {
    const flat = Array.isArray(value) ? (value.flat(8) as JsonValue[]) : [value ?? 1];
    const numbers = flat.map(Number);
    return numbers.length === 1 ? [numbers[0], numbers[0], numbers[0]] : numbers;
  }

  #scale(name: string, scale: number[], offset: number[]): void {
    const all = [...scale, ...offset];
    if (this.#begun || scale.length !== 3 || offset.length !== 3 || !all.every(Number.isFinite) || scale.includes(0)) {
      this.#refuse(name, 'expected pixels to be scaled before the network, by a number or one for each of 3 channels');
      return;
    }
    this.scaling = after(this.scaling, { scale, offset });
  }

  /** On an even size TensorFlow's SAME adds a row behind, on an odd one before and behind. */
  #checkPad({ name, config }: Layer, halved: number): void {
    if (this.size === undefined) return;
    const expected = this.size.map((size) => {
      let here = size;
      for (let i = 0; i < halved; i++) here = Math.ceil(here / 2);
      return [here % 2, 1];
    });
    if (JSON.stringify(config.padding) === JSON.stringify(expected)) return;
    this.#refuse(
      name,
      `pads ${JSON.stringify(config.padding)}, where TensorFlow's SAME pads ${JSON.stringify(expected)}`,
    );
  }

  #refuse(layer: string, reason: string): void {
    this.problems.push({ layer, reason });
  }
}

const isSize = (value: JsonValue | undefined): value is number => Number.isInteger(value) && (value as number) > 0;

/** An activation's name, which Keras 3 may wrap in an object. */
function nameOf(activation: JsonValue | undefined): string | undefined {
  if (typeof activation === 'string') return activation;
  if (!isJsonObject(activation)) return undefined;
  const inner = isJsonObject(activation.config) ? activation.config : undefined;
  // A layer as an activation, such as ReLU(6.0).
  return String(inner?.name ?? activation.class_name);
}

/** The number among the arguments of an operation: Keras 3's `args`, or the keywords of a TFOpLambda. */
function numberIn(inbound: JsonValue | undefined): number | undefined {
  const [call] = Array.isArray(inbound) ? inbound : [];
  if (isJsonObject(call) && Array.isArray(call.args)) return call.args.find((one) => typeof one === 'number');
  const [first] = Array.isArray(call) ? call : [];
  const keywords = Array.isArray(first) ? first[3] : Array.isArray(call) ? call[3] : undefined;
  return isJsonObject(keywords) && typeof keywords.y === 'number' ? keywords.y : undefined;
}
