/**
 * What a Keras graph says beyond its weights: the size of the input, how its pixels are scaled, what comes after the
 * backbone. Everything that a MobileNetV2 of Hugging Face does not do is found here, all of it, and named.
 *
 * A graph is `{ class_name, config: { layers: [{ class_name, name, config, inbound_nodes }] } }`; a model in a model is a
 * layer that has layers. Sources: Keras 2.2 to 3.15, and applications/mobilenet_v2.py for the layers' names.
 */
import { isJsonObject, type JsonObject, type JsonValue, jsonNumber, jsonText } from '../base/json.js';
import { PictureSize, type Size } from './keras-pictures.js';
import { after, type Scaling } from './pictures.js';

export interface KerasGraph {
  /** What happens to the size of pictures. */
  pictures: PictureSize;
  /** Undefined where no layer scales: then the caller of the model had to. */
  scaling: Scaling | undefined;
  epsilon: number;
  hidden_act: 'relu6' | 'relu';
  dropout: number | undefined;
  /** What the classifier's numbers go through; undefined without a classifier. */
  activation: 'softmax' | 'sigmoid' | 'linear' | undefined;
  /** The last Dense layer's name. */
  classifier: string | undefined;
  /** A batch norm between pooling and classifier, which becomes a part of the classifier. */
  norm: { layer: string; epsilon: number } | undefined;
  /** Layers that do nothing once training is over, but for dropout. */
  idle: string[];
  /** Layers after the backbone that are left out, because only the backbone is wanted. */
  afterBackbone: string[];
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
/**
 * Operations with a number n on pixels x, by Keras 3's names and TensorFlow's: what they multiply by and add. `reversed` is
 * n before x.
 */
const OPERATIONS: Record<string, (n: number, reversed: boolean) => [scale: number, offset: number] | undefined> = {
  divide: (n, reversed) => (reversed ? undefined : [1 / n, 0]),
  multiply: (n) => [n, 0],
  subtract: (n, reversed) => (reversed ? [-1, n] : [1, -n]),
  add: (n) => [1, n],
};
/** Other names of them: of TensorFlow's functions, of its operations, of Python's. */
const ALIASES: Record<string, string> = {
  truedivide: 'divide',
  truediv: 'divide',
  realdiv: 'divide',
  mul: 'multiply',
  sub: 'subtract',
  addv2: 'add',
};
const plainName = (name: string): string => {
  const lower = name.replace(/^.*\./, '').toLowerCase();
  return new Map(Object.entries(ALIASES)).get(lower) ?? lower;
};

/** Identity at inference. RandomCrop is not, and AutoContrast works at inference too. */
const IDLE =
  /^(?:Random(?!.*(?:Crop|Resize))\w+|GaussianNoise|GaussianDropout|SpatialDropout2D|ActivityRegularization|AlphaDropout|RandAugment|AugMix|MixUp|CutMix|Equalization|Solarization|Identity)$/;
/** Of operations: what does nothing to a number. */
const IDLE_OPERATIONS = new Set(['identity', 'stop_gradient', 'stopgradient']);
const SMALL_WHOLE = /^u?int(?:8|16|32|64)$/;
const FLOAT = /^b?float(?:16|32|64)$/;
const BACKBONE_NORM = /^(?:bn_Conv1|Conv_1_bn|(?:expanded_conv|block_\d+)_\w+_BN)$/;

/** The layers of a model and of the models in it, in order. */
function flatten(model: JsonObject, into: Layer[] = []): Layer[] {
  const config = isJsonObject(model.config) ? model.config : undefined;
  // Keras before 2.2.3 wrote a Sequential's layers as its config.
  const layers = Array.isArray(model.config) ? model.config : config?.layers;
  if (Array.isArray(layers)) {
    for (const layer of layers) if (isJsonObject(layer)) flatten(layer, into);
  } else if (config !== undefined) {
    const name = jsonText(model.name ?? config.name ?? model.class_name);
    into.push({ kind: jsonText(model.class_name), name, config, inbound: model.inbound_nodes });
  }
  return into;
}

/**
 * Reads a graph. Never throws: what is odd about it becomes a problem.
 * @param head false: what comes after the backbone's last activation is left out
 * @param version Keras's, as the file has it
 */
export function readGraph(topology: JsonObject, head = true, version = ''): KerasGraph {
  const reader = new Reader(head, version);
  for (const layer of flatten(topology)) reader.visit(layer);
  return reader.finish();
}

class Reader implements KerasGraph {
  readonly pictures = new PictureSize();
  scaling: Scaling | undefined;
  norm: KerasGraph['norm'];
  epsilon = 0.001;
  hidden_act: 'relu6' | 'relu' = 'relu6';
  dropout: number | undefined;
  activation: KerasGraph['activation'];
  classifier: string | undefined;
  readonly idle: string[] = [];
  readonly afterBackbone: string[] = [];
  readonly problems: KerasGraph['problems'] = [];
  readonly #head: boolean;
  /** Since Keras 3.6 a RandomCrop leaves pictures alone at inference; before, it crops there too. */
  readonly #cropsOnlyInTraining: boolean;
  #inputType: JsonValue | undefined;
  #ended = false;
  readonly #epsilons = new Set<number>();
  readonly #ceilings = new Set<JsonValue | undefined>();
  readonly #pads: [layer: Layer, halved: number][] = [];
  #pooled = false;
  #begun = false;

  constructor(head: boolean, version: string) {
    this.#head = head;
    const [major = 0, minor = 0] = version.split('.').map(Number);
    this.#cropsOnlyInTraining = major > 3 || (major === 3 && minor >= 6);
  }

  finish(): KerasGraph {
    const [epsilon = 0.001, ...epsilons] = this.#epsilons;
    if (epsilons.length > 0) this.#refuse('BatchNormalization', 'batch norms differ in epsilon');
    this.epsilon = epsilon;
    const [ceiling = 6, ...ceilings] = this.#ceilings;
    if (ceilings.length > 0 || (ceiling !== 6 && ceiling !== null))
      this.#refuse('ReLU', 'expected all of them to end at 6');
    this.hidden_act = ceiling === null ? 'relu' : 'relu6';
    if (this.norm !== undefined && this.classifier === undefined)
      this.#refuse(this.norm.layer, 'comes after the backbone');
    for (const [layer, halved] of this.#pads) this.#checkPad(layer, halved);
    return this;
  }

  visit(layer: Layer): void {
    const { kind, name, config } = layer;
    const isActivation = kind === 'ReLU' || kind === 'Activation';
    if (this.#ended && !this.#head && !(isActivation && this.afterBackbone.length === 0)) {
      this.afterBackbone.push(name);
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
        this.#norm(name, jsonNumber(config.epsilon ?? 0.001));
        break;
      case 'ReLU':
        if (this.#pooled) {
          this.#headActivation(
            name,
            jsonNumber(config.max_value ?? 6) >= 6 && jsonNumber(config.negative_slope ?? 0) === 0,
          );
          break;
        }
        if (jsonNumber(config.negative_slope ?? 0) !== 0 || jsonNumber(config.threshold ?? 0) !== 0) {
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
      case 'CenterCrop':
      case 'RandomCrop':
        this.#resize(layer);
        break;
      case 'GlobalAveragePooling2D':
        this.#pooled = true;
        break;
      case 'Cast':
        this.#cast(name, config.dtype);
        break;
      case 'Flatten':
      case 'Reshape':
        if (!this.#pooled) this.#refuse(name, 'expected GlobalAveragePooling2D before it');
        break;
      case 'Dropout':
        this.dropout = jsonNumber(config.rate ?? 0);
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
    if (isSize(height) && isSize(width)) this.pictures.input([height, width]);
    this.#inputType ??= config.dtype;
  }

  #resize({ kind, name, config }: Layer): void {
    const { height, width } = config;
    if (this.#begun || !isSize(height) || !isSize(width)) {
      this.#refuse(name, 'expected pictures to be resized before the network, to a height and a width');
      return;
    }
    const size: Size = [height, width];
    const filter = jsonText(config.interpolation ?? 'bilinear');
    let wrong: string | undefined;
    if (kind === 'CenterCrop') wrong = this.pictures.cropTo(size);
    else if (kind === 'RandomCrop') {
      if (this.#cropsOnlyInTraining) this.idle.push(name);
      else wrong = this.pictures.cover(size);
    } else if (config.pad_to_aspect_ratio === true) wrong = 'pads pictures to its ratio';
    else wrong = this.pictures.resizeTo(size, { filter, keepsRatio: config.crop_to_aspect_ratio === true });
    if (wrong !== undefined) this.#refuse(name, wrong);
  }

  /** Numbers stay what they are as floats, and as whole numbers where they are those of a picture. */
  #cast(name: string, type: JsonValue | undefined): void {
    const text = nameOf(type) ?? '';
    const isPicture = !this.#begun && this.scaling === undefined && !this.pictures.byLayer;
    if (FLOAT.test(text) || (isPicture && SMALL_WHOLE.test(text))) this.idle.push(name);
    else this.#refuse(name, `makes numbers ${text === '' ? 'of another type' : text}`);
  }

  #norm(name: string, epsilon: number): void {
    if (BACKBONE_NORM.test(name)) this.#epsilons.add(epsilon);
    else if (this.#pooled && this.norm === undefined && this.classifier === undefined)
      this.norm = { layer: name, epsilon };
    else this.#refuse(name, 'is a batch norm where a MobileNetV2 has none');
  }

  /** What comes out of pooling lies between 0 and 6, so that an activation changes nothing, except after a norm. */
  #headActivation(name: string, keeps: boolean): void {
    if (keeps && this.norm === undefined) this.idle.push(name);
    else this.#refuse(name, 'is an activation in the head, before the classifier');
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

  /** After a Dense layer it is the classifier's, before it the backbone's. */
  #activation(name: string, value: JsonValue | undefined): void {
    const activation = nameOf(value);
    if (this.classifier !== undefined) {
      if (this.activation === 'linear') this.#activate(name, activation);
      else this.#refuse(name, 'is a second activation after the classifier');
    } else if (activation === 'linear') return;
    else if (this.#pooled) this.#headActivation(name, activation === 'relu' || activation === 'relu6');
    else if (activation === 'relu6') this.#ceilings.add(6);
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
  #arithmetic(layer: Layer): void {
    const { kind, name, config } = layer;
    const call = callOf(layer);
    const { operation } = call;
    if (IDLE_OPERATIONS.has(operation)) this.idle.push(name);
    else if (operation === 'cast') this.#cast(name, call.keywords.dtype ?? call.keywords.DstT ?? config.dtype);
    else if (operation === 'resize') this.#resizeByFunction(name, call.keywords);
    else if (operation === 'convert_image_dtype') this.#convertType(name, call.keywords.dtype);
    else if (this.classifier !== undefined && (operation === 'softmax' || operation === 'sigmoid'))
      this.#activation(name, operation);
    else if (call.numbers !== undefined) this.#step(layer, call.numbers, call);
    else if (operation !== 'add') this.#refuse(name, `is a ${kind}, which a MobileNetV2 does not have`);
  }

  #step({ kind, name }: Layer, numbers: number[], { operation, reversed }: Call): void {
    const step = new Map(Object.entries(OPERATIONS)).get(operation);
    const parts = numbers.map((n) => step?.(n, reversed));
    if (parts.includes(undefined)) {
      this.#refuse(name, `is a ${kind}, which a MobileNetV2 does not have`);
      return;
    }
    const channels = (part: 0 | 1) => this.#channels(parts.map((one) => one![part]));
    this.#scale(name, channels(0), channels(1));
  }

  /** `tf.image.resize`, whose smoothing is the image processor's where `antialias` is set. */
  #resizeByFunction(name: string, { size, method, preserve_aspect_ratio: ratio }: JsonObject): void {
    const [height, width] = Array.isArray(size) ? size : [];
    if (this.#begun || !isSize(height) || !isSize(width) || ratio === true) {
      this.#refuse(name, 'expected pictures to be resized before the network, to a height and a width');
      return;
    }
    const wrong = this.pictures.resizeTo([height, width], { filter: jsonText(method ?? 'bilinear') });
    if (wrong !== undefined) this.#refuse(name, wrong);
  }

  /** `tf.image.convert_image_dtype` brings whole numbers to 0 to 1; floats it leaves alone. */
  #convertType(name: string, type: JsonValue | undefined): void {
    if (!FLOAT.test(nameOf(type) ?? '')) this.#refuse(name, 'makes numbers of another type');
    else if (this.#inputType === 'uint8') this.#scale(name, this.#channels(1 / 255), this.#channels(0));
    else this.idle.push(name);
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
    const numbers = flat.map(jsonNumber);
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

  /** On an even size TensorFlow's SAME adds a row after the picture, on an odd one a row before and a row after. */
  #checkPad({ name, config }: Layer, halved: number): void {
    const { size: entering } = this.pictures;
    if (entering === undefined) return;
    const expected = entering.map((size) => {
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
  return jsonText(inner?.name ?? activation.class_name);
}

/** A call of an operation on pixels. */
interface Call {
  /** Its plain name in lower case. */
  operation: string;
  /** One number, or one for each channel, that it takes beside the pixels. */
  numbers: number[] | undefined;
  /** Whether the number comes first. */
  reversed: boolean;
  keywords: JsonObject;
}

const CONSTANT = '_CONSTANT_VALUE';

/**
 * Keras 3 has `{ args, kwargs }`. Keras 2 has `[layer, node, output, keywords]` for a function of TensorFlow (a TFOpLambda),
 * where a number in the layer's place follows `_CONSTANT_VALUE`; before TensorFlow 2.4 it has the operation itself and
 * its constants by their place.
 */
function callOf({ kind, config, inbound }: Layer): Call {
  const [call] = Array.isArray(inbound) ? inbound : [];
  if (isJsonObject(call)) {
    const args = Array.isArray(call.args) ? call.args : [];
    const keywords = isJsonObject(call.kwargs) ? { ...call.kwargs, ...config } : config;
    const at = args.findIndex((one) => numbersOf(one) !== undefined);
    return { operation: plainName(kind), numbers: numbersOf(args[at]), reversed: at === 0, keywords };
  }
  if (kind === 'TensorFlowOpLayer') {
    const node = isJsonObject(config.node_def) ? config.node_def : {};
    const [place, value] = Object.entries(isJsonObject(config.constants) ? config.constants : {})[0] ?? [];
    const attributes = isJsonObject(node.attr) ? node.attr : {};
    const type = isJsonObject(attributes.DstT) ? jsonText(attributes.DstT.type).replace(/^DT_/, '').toLowerCase() : '';
    const DstT = type === 'float' ? 'float32' : type;
    return {
      operation: plainName(jsonText(node.op)),
      numbers: numbersOf(value),
      reversed: place === '0',
      keywords: { DstT },
    };
  }
  const [first] = Array.isArray(call) ? call : [];
  const node = Array.isArray(first) ? first : Array.isArray(call) ? call : [];
  const keywords = isJsonObject(node[3]) ? node[3] : {};
  const isFirst = node[0] === CONSTANT;
  const operation = plainName(kind === 'TFOpLambda' ? jsonText(config.function) : kind);
  return { operation, numbers: numbersOf(isFirst ? node[2] : keywords.y), reversed: isFirst, keywords };
}

/** A number, or a list of numbers however deep it lies in lists of one; the name of a layer comes as a list too. */
function numbersOf(value: JsonValue | undefined): number[] | undefined {
  if (typeof value === 'number') return [value];
  if (!Array.isArray(value)) return undefined;
  const flat = value.flat(8) as JsonValue[];
  return (flat.length === 1 || flat.length === 3) && flat.every((one) => typeof one === 'number') ? flat : undefined;
}
