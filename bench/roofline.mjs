/**
 * The arithmetic of the roofline model (Williams, Waterman, Patterson, CACM 2009): how fast something may run at most is
 * the lower of two roofs, what the processor can compute, and what memory can bring for it to compute with.
 */

/**
 * Bytes that a step has to move whatever it does: its inputs and weights once in, its outputs once out. What lies in a
 * cache already is counted all the same, so a layer of small tensors may run faster than memory could feed it.
 */
export function bytesOf(spec) {
  if (spec.op === 'inverted_residual') {
    // What is in the middle stays in a cache; the residual is the input, which has been read.
    const { widen, filter, project } = spec;
    const parts = [widen, filter, { ...project, residual: false }].map(bytesOf);
    const [middle] = numbersOf(filter);
    return parts.reduce((sum, part) => sum + part) - 2 * (filter.dtype === 'i16' ? 2 : 4) * middle;
  }
  const [numbers, weights = 0, biases = 0, multipliers = 0] = numbersOf(spec);
  if (spec.dtype === 'f32') return 4 * (numbers + weights + biases);
  return 2 * numbers + (spec.weights === 'i16' ? 2 : 1) * weights + 4 * (biases + multipliers);
}

/** Numbers of values that are read and written, of weights, of biases, and where sums are rounded of multipliers. */
function numbersOf(spec) {
  const { batch: N, inHeight: H, inWidth: W, outHeight: OH, outWidth: OW } = spec;
  switch (spec.op) {
    case 'conv3x3': {
      const { inChannels: C, outChannels: K } = spec;
      return [N * (C * H * W + K * OH * OW), 9 * C * K, K, K];
    }
    case 'depthwise3x3': {
      const { channels: C } = spec;
      return [N * C * (H * W + OH * OW), 9 * C, C, C];
    }
    case 'pointwise': {
      const { pixels: P, inChannels: C, outChannels: K } = spec;
      return [N * P * (C + K * (spec.residual ? 2 : 1)), K * C, spec.biasPerImage ? N * K : K, K];
    }
    case 'sums': {
      const { batch: N, inChannels: C, outChannels: K } = spec;
      return [N * (C + 2 * K), K * C, K]; // sums are as large as two numbers
    }
    case 'average_pool':
      return [N * spec.channels * (H * W + (H - spec.kernelHeight + 1) * (W - spec.kernelWidth + 1))];
    case 'resize_bilinear':
      return [N * spec.channels * (H * W + OH * OW)];
    case 'add':
      return [3 * spec.size];
    case 'requantize':
      return [2 * spec.size];
    case 'quantize':
      return [3 * N * spec.channels * spec.pixels]; // real numbers are as large as two
    case 'argmax':
      return [spec.pixels * (spec.channels + 1)];
    case 'concat':
      return [2 * spec.pixels * (spec.channels1 + spec.channels2)];
    case 'batch_norm':
      return [2 * spec.pixels * spec.channels, 4 * spec.channels];
    case 'activation':
      return [2 * spec.size];
    default:
      throw new Error(`no bytes are known for ${spec.op}`);
  }
}

/** Of a whole network: the sum of its steps. */
export const bytesOfPlan = ({ steps }) => steps.reduce((sum, { spec }) => sum + bytesOf(spec), 0);

/** Multiply-adds for every byte. */
export const intensityOf = ({ macs, bytes }) => macs / bytes;

/** GMAC/s that so many threads may reach at most at an intensity. */
export function attainable({ peak, bandwidth }, intensity, threads = 1) {
  return Math.min(peak * threads, bandwidth[threads] * intensity);
}

/** A measured row's speed, against both roofs of the same rounds. Shares are fractions. */
export function figuresOf({ macs, bytes, min, threads }, { peak, bandwidth }) {
  const gmacs = macs / min / 1e6;
  const gigabytes = bytes / min / 1e6;
  const shareOfPeak = gmacs / (peak * threads);
  return { gmacs, gigabytes, shareOfPeak, shareOfBandwidth: gigabytes / bandwidth[threads] };
}
