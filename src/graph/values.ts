/** The values of a graph at one input size. */

/** A tensor inside the network: NHWC, except the input, which is NCHW. */
export interface Value {
  batch: number;
  height: number;
  width: number;
  channels: number;
  /** True after global pooling, where Hugging Face has [N,C] and not [N,C,1,1]. */
  flat: boolean;
}

/** Elements. */
export const sizeOf = (v: Value): number => v.batch * v.height * v.width * v.channels;
