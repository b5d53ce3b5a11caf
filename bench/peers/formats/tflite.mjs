/** Steps as a TensorFlow Lite file. Numbers of fields, operators and options are those of schema.fbs. */
import { Builder } from 'flatbuffers';

const ADD = { operator: 0, options: 11 };
const CONCATENATION = { operator: 2, options: 10 };
const CONV_2D = { operator: 3, options: 1 };
const DEPTHWISE_CONV_2D = { operator: 4, options: 2 };
const FULLY_CONNECTED = { operator: 9, options: 8 };
const RESIZE_BILINEAR = { operator: 23, options: 15 };
const MEAN = { operator: 40, options: 27 };
const OPERATORS = [ADD, CONCATENATION, CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, RESIZE_BILINEAR, MEAN];

const ACTIVATIONS = { linear: 0, relu: 1, relu6: 3 };
const FLOAT32 = 0;
const INT32 = 2;

/** Writes a table. Fields are `[type, value]` by number; offsets must be of what is written already. */
function table(builder, fields) {
  builder.startObject(1 + Math.max(...Object.keys(fields).map(Number)));
  for (const [field, [type, value]] of Object.entries(fields)) builder[`addField${type}`](Number(field), value, null);
  return builder.endObject();
}
const byte = (value) => ['Int8', value];
const int = (value) => ['Int32', value];
const offset = (value) => ['Offset', value];

function offsets(builder, list) {
  builder.startVector(4, list.length, 4);
  for (const item of [...list].reverse()) builder.addOffset(item);
  return builder.endVector();
}
function integers(builder, list) {
  builder.startVector(4, list.length, 4);
  for (const item of [...list].reverse()) builder.addInt32(item);
  return builder.endVector();
}
/** Kernels read weights where they lie in the file, aligned to 16 bytes. */
function bytes(builder, data) {
  builder.startVector(1, data.byteLength, 16);
  builder.space -= data.byteLength;
  builder.bb.setPosition(builder.space);
  builder.bb.bytes().set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), builder.space);
  return builder.endVector();
}

/** [K,C,R,S] → [K,R,S,C]; a depthwise [C,1,R,S] → [1,R,S,C]. */
function reorder({ op, weights, shape, kernel }) {
  const K = shape[2];
  const C = weights.length / (K * kernel * kernel);
  const window = kernel * kernel;
  const ordered = new Float32Array(weights.length);
  for (let k = 0; k < K; k++) {
    for (let c = 0; c < C; c++) {
      for (let w = 0; w < window; w++) {
        ordered[op === 'depthwise' ? w * K + k : (k * window + w) * C + c] = weights[(k * C + c) * window + w];
      }
    }
  }
  return { ordered, dims: op === 'depthwise' ? [1, kernel, kernel, K] : [K, kernel, kernel, C] };
}

/** @returns the bytes of a model from `pixel_values` [1,size,size,C] to `logits`, channels last */
export function writeTflite(steps, size, inChannels = 3) {
  const builder = new Builder(1 << 16);
  const buffers = [table(builder, { 0: offset(bytes(builder, new Uint8Array(0))) })]; // buffer 0 is empty
  const tensors = [];
  const tensorOf = new Map();

  const addTensor = (name, dims, data) => {
    if (data !== undefined) buffers.push(table(builder, { 0: offset(bytes(builder, data)) }));
    const shape = integers(builder, dims);
    const label = builder.createString(name);
    const type = data instanceof Int32Array ? INT32 : FLOAT32;
    const buffer = data === undefined ? 0 : buffers.length - 1;
    tensors.push(table(builder, { 0: offset(shape), 1: byte(type), 2: int(buffer), 3: offset(label) }));
    tensorOf.set(name, tensors.length - 1);
    return tensors.length - 1;
  };

  addTensor('pixel_values', [1, size, size, inChannels]);
  const operators = steps.map((step) => {
    const { op, name, shape, activation = 'linear', stride, dilation } = step;
    const [height, width, K] = shape;
    if (ACTIVATIONS[activation] === undefined) throw new Error(`${name}: no TFLite for ${activation}`);
    const fused = byte(ACTIVATIONS[activation]);
    const inputs = step.inputs.map((input) => tensorOf.get(input));
    let kind;
    let options;
    if (op === 'convolution' || op === 'depthwise') {
      const { ordered, dims } = reorder(step);
      inputs.push(addTensor(`${name}.weights`, dims, ordered), addTensor(`${name}.bias`, [K], step.bias));
      const common = { 0: byte(0), 1: int(stride), 2: int(stride) }; // SAME
      kind = op === 'depthwise' ? DEPTHWISE_CONV_2D : CONV_2D;
      options =
        op === 'depthwise'
          ? { ...common, 3: int(1), 4: fused, 5: int(dilation), 6: int(dilation) }
          : { ...common, 3: fused, 4: int(dilation), 5: int(dilation) };
    } else if (op === 'linear') {
      const dims = [K, step.weights.length / K];
      inputs.push(addTensor(`${name}.weights`, dims, step.weights), addTensor(`${name}.bias`, [K], step.bias));
      kind = FULLY_CONNECTED;
      options = { 0: fused };
    } else if (op === 'add') {
      kind = ADD;
      options = { 0: fused };
    } else if (op === 'concat') {
      kind = CONCATENATION;
      options = { 0: int(3), 1: fused };
    } else if (op === 'average_pool') {
      inputs.push(addTensor(`${name}.axes`, [2], Int32Array.of(1, 2)));
      kind = MEAN;
      options = { 0: byte(1) }; // keep the dimensions
    } else if (op === 'resize') {
      inputs.push(addTensor(`${name}.size`, [2], Int32Array.of(height, width)));
      kind = RESIZE_BILINEAR;
      options = { 2: byte(1), 3: byte(0) }; // corners aligned
    } else {
      throw new Error(`${name}: no TFLite for ${op}`);
    }
    const output = addTensor(name, op === 'linear' ? [1, K] : [1, height, width, K]);
    const written = table(builder, options);
    const from = integers(builder, inputs);
    const to = integers(builder, [output]);
    return table(builder, {
      0: int(OPERATORS.indexOf(kind)),
      1: offset(from),
      2: offset(to),
      3: byte(kind.options),
      4: offset(written),
    });
  });

  const subgraph = table(builder, {
    0: offset(offsets(builder, tensors)),
    1: offset(integers(builder, [tensorOf.get('pixel_values')])),
    2: offset(integers(builder, [tensorOf.get(steps.at(-1).name)])),
    3: offset(offsets(builder, operators)),
  });
  const codes = OPERATORS.map(({ operator }) => table(builder, { 0: byte(operator), 2: int(1), 3: int(operator) }));
  const model = table(builder, {
    0: int(3), // version of the schema
    1: offset(offsets(builder, codes)),
    2: offset(offsets(builder, [subgraph])),
    4: offset(offsets(builder, buffers)),
  });
  builder.finish(model, 'TFL3');
  return builder.asUint8Array();
}
