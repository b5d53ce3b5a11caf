/**
 * The arithmetic of the roofline model (Williams, Waterman, Patterson, CACM 2009): how fast something may run at most is
 * the lower of two roofs, what the processor can compute, and what memory can bring for it to compute with.
 */

const FLOAT = 4;

/**
 * Bytes that a step has to move whatever it does: its inputs and weights once in, its outputs once out. What lies in a
 * cache already is counted all the same, so a layer of small tensors may run faster than memory could feed it.
 */
export function bytesOf(spec) {
  return FLOAT * elementsOf(spec);
}

function elementsOf(spec) {
  const { batch: N, inHeight: H, inWidth: W, outHeight: OH, outWidth: OW } = spec;
  switch (spec.op) {
    case 'conv3x3':
      return N * spec.inChannels * H * W + spec.outChannels * (9 * spec.inChannels + 1 + N * OH * OW);
    case 'depthwise3x3':
      return spec.channels * (N * H * W + 9 + 1 + N * OH * OW);
    case 'pointwise': {
      const { pixels: P, inChannels: C, outChannels: K } = spec;
      const outputs = N * P * K;
      return N * P * C + K * C + (spec.biasPerImage ? N * K : K) + outputs * (spec.residual ? 2 : 1);
    }
    case 'inverted_residual': {
      // What is in the middle stays in a cache; the residual is the input, which has been read.
      const { widen, filter, project } = spec;
      const widenOut = filter.batch * filter.inHeight * filter.inWidth * filter.channels;
      const filterOut = filter.batch * filter.outHeight * filter.outWidth * filter.channels;
      const all = elementsOf(widen) + elementsOf(filter) + elementsOf({ ...project, residual: false });
      return all - 2 * widenOut - 2 * filterOut;
    }
    case 'average_pool':
      return N * spec.channels * (H * W + (H - spec.kernelHeight + 1) * (W - spec.kernelWidth + 1));
    case 'resize_bilinear':
      return N * spec.channels * (H * W + OH * OW);
    case 'add':
      return 3 * spec.size;
    case 'concat':
      return 2 * spec.pixels * (spec.channels1 + spec.channels2);
    case 'batch_norm':
      return spec.channels * (2 * spec.pixels + 4);
    case 'activation':
      return 2 * spec.size;
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
