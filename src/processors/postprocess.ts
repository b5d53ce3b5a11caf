/**
 * Segmentation logits to class maps, as transformers' `post_process_semantic_segmentation`: bilinear upsampling with
 * `align_corners=False`, then the largest class of each pixel.
 *
 * The arithmetic is PyTorch's on a processor with fused multiply-add (aten/src/ATen/native/cpu/UpSampleKernel.cpp, as its
 * compiler contracts it), to the last bit: each product-and-sum rounds to float32 once, first along rows, then between
 * them. Only for maps with height + width ≤ 128 does PyTorch take another kernel, whose last bit depends on the machine.
 */
import { env } from '../base/env.js';
import { expected, MobileNetError, show } from '../base/errors.js';
import { checkOptions } from '../base/options.js';
import { zeroed } from '../tensor/elements.js';
import { Tensor } from '../tensor/tensor.js';
import { linearTaps, type Taps } from './bilinear.js';
import { largestClasses } from './class-cells.js';

/** What one picture gets with `return_segmentation_scores`. */
export interface SegmentationOutput {
  /** Class of each pixel. [height, width] */
  segmentation: Tensor<'int64'>;
  /** Logits of each class at each pixel. [K, height, width] */
  segmentation_scores: Tensor<'float32'>;
}

/** [height, width] for each image: a list, or an integer tensor [N,2]. */
export type TargetSizes = readonly (readonly [number, number])[] | Tensor;

interface ScoresWanted {
  return_segmentation_scores: true;
}
interface PostProcessOptions {
  return_segmentation_scores?: boolean;
}

/**
 * One class map per image.
 *
 * @param outputs what the model returned; logits [N,K,h,w] float32
 * @param target_sizes [height, width] of each map; the size of the logits without it, or for null
 * @param options `return_segmentation_scores`, which may also stand here by itself as true: the upsampled logits as well, K
 *   times as large as the map
 * @throws MobileNetError ARG for sizes that do not fit the batch, and for logits that hold NaN or infinity: there is no
 *   class to name then; LIMIT for maps above `env.limits.imagePixels`
 */
export function post_process_semantic_segmentation(
  outputs: { logits: Tensor },
  target_sizes: TargetSizes | null | undefined,
  options: ScoresWanted | true,
): SegmentationOutput[];
export function post_process_semantic_segmentation(
  outputs: { logits: Tensor },
  target_sizes?: TargetSizes | null,
  options?: { return_segmentation_scores?: false } | false,
): Tensor<'int64'>[];
export function post_process_semantic_segmentation(
  outputs: { logits: Tensor },
  target_sizes?: TargetSizes | null,
  options: PostProcessOptions | boolean = {},
): Tensor<'int64'>[] | SegmentationOutput[] {
  if (typeof options !== 'boolean') {
    checkOptions(options, ['return_segmentation_scores'], 'post_process_semantic_segmentation');
  }
  const wanted = options === true || (options as PostProcessOptions).return_segmentation_scores === true;
  const images = classMaps(outputs, target_sizes, { scores: wanted }).map(({ segmentation, ...scores }) => ({
    segmentation: segmentation.to('int64'),
    ...scores,
  }));
  return wanted ? (images as SegmentationOutput[]) : images.map(({ segmentation }) => segmentation);
}

/** What a class map holds where no class reaches the threshold. */
const NO_CLASS = -1;

/**
 * The same with classes as int32, whose numbers cost less than bigints do.
 * @param options `scores`: the upsampled logits as well; `threshold`: pixels whose class is less likely become `NO_CLASS`
 */
export function classMaps(
  outputs: { logits: Tensor },
  target_sizes: TargetSizes | null | undefined,
  options: { scores?: boolean; threshold?: number },
): { segmentation: Tensor<'int32'>; segmentation_scores?: Tensor<'float32'> }[] {
  const logits = checkLogits(outputs?.logits);
  const [n, k, h, w] = logits.dims as [number, number, number, number];
  const sizes = target_sizes ? checkSizes(target_sizes, n) : Array.from({ length: n }, () => [h, w] as const);
  return sizes.map(([height, width], i) => {
    const image = logits.data.subarray(i * k * h * w, (i + 1) * k * h * w);
    return upsampleArgmax(image, k, h, w, height, width, options);
  });
}

function checkLogits(logits: unknown): Tensor<'float32'> {
  if (!(logits instanceof Tensor) || logits.type !== 'float32' || logits.dims.length !== 4 || logits.size === 0) {
    const got = logits instanceof Tensor ? `${logits.type} ${show(logits.dims)}` : show(logits);
    throw new MobileNetError('ARG', `outputs.logits: expected a float32 tensor [N,K,h,w], got ${got}`);
  }
  const tensor = logits as Tensor<'float32'>;
  const broken = tensor.data.findIndex((value) => !Number.isFinite(value));
  if (broken >= 0) {
    throw new MobileNetError(
      'ARG',
      `outputs.logits: expected finite numbers, got ${tensor.data[broken]} at element ${broken}`,
    );
  }
  return tensor;
}

function checkSizes(target_sizes: TargetSizes, n: number): (readonly [number, number])[] {
  const sizes: unknown = target_sizes instanceof Tensor ? target_sizes.to('int32').tolist() : target_sizes;
  if (!Array.isArray(sizes) || sizes.length !== n) {
    const got = Array.isArray(sizes) ? `${sizes.length}` : show(sizes);
    throw new MobileNetError('ARG', `target_sizes: expected [height, width] for each of ${n} images, got ${got}`);
  }
  for (const [i, size] of sizes.entries()) {
    const sound =
      Array.isArray(size) && size.length === 2 && size.every((side) => Number.isSafeInteger(side) && side >= 1);
    if (!sound) {
      throw expected(`target_sizes[${i}]`, 'whole [height, width] ≥ 1', size);
    }
    if (size[0] * size[1] > env.limits.imagePixels) {
      throw new MobileNetError(
        'LIMIT',
        `target_sizes[${i}]: ${show(size)} exceeds env.limits.imagePixels (${env.limits.imagePixels})`,
      );
    }
  }
  return sizes;
}

/**
 * logits [K,h,w] → classes [height,width]. For a threshold it works row by row: besides the result it keeps two rows of all
 * classes, not the K·height·width upsampled logits (22 MB for 21 classes at 513×513), unless those are `wanted`.
 */
function upsampleArgmax(
  logits: Float32Array,
  classes: number,
  h: number,
  w: number,
  height: number,
  width: number,
  { scores: wanted, threshold = 0 }: { scores?: boolean; threshold?: number },
): { segmentation: Tensor<'int32'>; segmentation_scores?: Tensor<'float32'> } {
  const vertical = linearTaps(positions(h, height), h);
  const horizontal = linearTaps(positions(w, width), w);
  if (!wanted && !(threshold > 0)) {
    const classesOf = largestClasses({ logits, classes, h, w, vertical, horizontal });
    return { segmentation: new Tensor('int32', classesOf, [height, width]) };
  }
  const segmentation = new Int32Array(height * width);
  const scores = wanted ? zeroed('float32', classes * height * width) : undefined;
  const best = new Float32Array(width);
  /** Σ exp(score − best) of a row: 1 over it is the softmax of the best. */
  const sums = new Float64Array(threshold > 0 ? width : 0);
  // Two rows of the logits, stretched to the full width. [K,width] each
  let upper = { row: -1, values: zeroed('float32', classes * width) };
  let lower = { row: -1, values: zeroed('float32', classes * width) };

  for (let y = 0; y < height; y++) {
    const row0 = vertical.first[y];
    const row1 = vertical.second[y];
    if (lower.row === row0) [upper, lower] = [lower, upper];
    if (upper.row !== row0) stretchRow(logits, classes, h, w, row0, horizontal, upper);
    if (lower.row !== row1) stretchRow(logits, classes, h, w, row1, horizontal, lower);

    const weight1 = vertical.weight[y];
    const weight0 = Math.fround(1 - weight1);
    const to = y * width;
    best.fill(-Infinity);
    sums.fill(0);
    for (let k = 0; k < classes; k++) {
      for (let x = 0; x < width; x++) {
        const at = k * width + x;
        const score = Math.fround(upper.values[at] * weight0 + Math.fround(lower.values[at] * weight1));
        if (scores) scores[k * height * width + to + x] = score;
        if (threshold > 0) {
          const larger = Math.max(score, best[x]);
          sums[x] = (sums[x] * Math.exp(best[x] - larger) || 0) + Math.exp(score - larger);
        }
        if (score > best[x]) {
          best[x] = score;
          segmentation[to + x] = k;
        }
      }
    }
    for (let x = 0; x < sums.length; x++) if (1 / sums[x] < threshold) segmentation[to + x] = NO_CLASS;
  }
  return {
    segmentation: new Tensor('int32', segmentation, [height, width]),
    ...(scores && { segmentation_scores: new Tensor('float32', scores, [classes, height, width]) }),
  };
}

/** One row of every class, [K,w] → [K,width]. */
function stretchRow(
  logits: Float32Array,
  classes: number,
  h: number,
  w: number,
  row: number,
  { first, second, weight }: Taps,
  out: { row: number; values: Float32Array },
): void {
  const width = first.length;
  for (let k = 0; k < classes; k++) {
    const from = (k * h + row) * w;
    for (let x = 0; x < width; x++) {
      const weight1 = weight[x];
      const weight0 = Math.fround(1 - weight1);
      out.values[k * width + x] = Math.fround(
        logits[from + first[x]] * weight0 + Math.fround(logits[from + second[x]] * weight1),
      );
    }
  }
  out.row = row;
}

/** Pixel centres are matched (`align_corners=False`), positions before the first centre moved onto it. */
function positions(inSize: number, outSize: number): Float32Array {
  const scale = Math.fround(inSize / outSize);
  return new Float32Array(outSize).map((_, i) => Math.max(0, Math.fround(scale * (i + 0.5) - 0.5)));
}
