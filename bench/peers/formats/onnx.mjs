/** Steps as an ONNX file. Numbers of fields are those of onnx.proto3; opset 13. */

const FLOAT = 1;
const INT64 = 7;

/** Protocol buffers: a field is a key (number and wire type), then a varint (0) or a length and that many bytes (2). */
function varint(value) {
  const bytes = [];
  let rest = BigInt.asUintN(64, BigInt(value));
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Buffer.from(bytes);
}
const number = (field, value) => Buffer.concat([varint(field << 3), varint(value)]);
function bytes(field, content) {
  const buffer = typeof content === 'string' ? Buffer.from(content) : content;
  return Buffer.concat([varint((field << 3) | 2), varint(buffer.length), buffer]);
}
const message = (field, ...parts) => bytes(field, Buffer.concat(parts));

const integer = (name, value) => message(5, bytes(1, name), number(3, value), number(20, 2));
const integers = (name, values) => message(5, bytes(1, name), ...values.map((v) => number(8, v)), number(20, 7));
const string = (name, value) => message(5, bytes(1, name), bytes(4, value), number(20, 3));

const node = (op, inputs, output, ...attributes) =>
  message(1, ...inputs.map((name) => bytes(1, name)), bytes(2, output), bytes(3, output), bytes(4, op), ...attributes);

function tensor(name, data, dims) {
  const type = data instanceof BigInt64Array ? INT64 : FLOAT;
  const raw = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return message(5, ...dims.map((size) => number(1, size)), number(2, type), bytes(8, name), bytes(9, raw));
}

function value(field, name, dims) {
  const shape = message(2, ...dims.map((size) => message(1, number(1, size))));
  return message(field, bytes(1, name), message(2, message(1, number(1, FLOAT), shape)));
}

/** @returns the bytes of a model from `pixel_values` [1,C,size,size] to `logits` */
export function writeOnnx(steps, size, inChannels = 3) {
  const parts = [];
  const channels = new Map([['pixel_values', inChannels]]);
  const bound = (name, number) => parts.push(tensor(name, Float32Array.of(number), []));
  bound('zero', 0);
  bound('six', 6);
  const last = steps.at(-1);
  for (const step of steps) {
    const { op, name, inputs, shape } = step;
    const output = step === last ? 'logits' : name;
    const [height, width, K] = shape;
    channels.set(name, K);
    if (op === 'convolution' || op === 'depthwise') {
      const { kernel, stride, dilation, activation, weights, bias } = step;
      const inner = weights.length / (K * kernel * kernel);
      parts.push(tensor(`${name}.weights`, weights, [K, inner, kernel, kernel]), tensor(`${name}.bias`, bias, [K]));
      const linear = activation === 'linear' ? output : `${name}.linear`;
      parts.push(
        node(
          'Conv',
          [inputs[0], `${name}.weights`, `${name}.bias`],
          linear,
          integers('kernel_shape', [kernel, kernel]),
          integers('strides', [stride, stride]),
          integers('dilations', [dilation, dilation]),
          integers('pads', step.pads),
          integer('group', channels.get(inputs[0]) / inner),
        ),
      );
      if (activation === 'relu6') parts.push(node('Clip', [linear, 'zero', 'six'], output));
      else if (activation === 'relu') parts.push(node('Relu', [linear], output));
      else if (activation !== 'linear') throw new Error(`${name}: no ONNX for ${activation}`);
    } else if (op === 'add') {
      parts.push(node('Add', inputs, output));
    } else if (op === 'concat') {
      parts.push(node('Concat', inputs, output, integer('axis', 1)));
    } else if (op === 'average_pool') {
      parts.push(node('GlobalAveragePool', inputs, output));
    } else if (op === 'resize') {
      parts.push(tensor(`${name}.sizes`, BigInt64Array.from([1, K, height, width], BigInt), [4]));
      const how = [string('mode', 'linear'), string('coordinate_transformation_mode', 'align_corners')];
      parts.push(node('Resize', [inputs[0], '', '', `${name}.sizes`], output, ...how));
    } else if (op === 'linear') {
      const C = step.weights.length / K;
      parts.push(tensor(`${name}.weights`, step.weights, [K, C]), tensor(`${name}.bias`, step.bias, [K]));
      parts.push(node('Flatten', inputs, `${name}.flat`));
      parts.push(node('Gemm', [`${name}.flat`, `${name}.weights`, `${name}.bias`], output, integer('transB', 1)));
    } else {
      throw new Error(`${name}: no ONNX for ${op}`);
    }
  }
  const [height, width, K] = last.shape;
  parts.push(value(11, 'pixel_values', [1, inChannels, size, size]));
  parts.push(value(12, 'logits', last.op === 'linear' ? [1, K] : [1, K, height, width]));
  const irVersion = number(1, 8);
  const opset = message(8, bytes(1, ''), number(2, 13));
  return Buffer.concat([irVersion, message(7, bytes(2, 'mobilenet_v2'), ...parts), opset]);
}
