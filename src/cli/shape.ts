/** The sizes of a step in a word, for tables: in the profile and in the benchmark. */
import type { AnySpec, InvertedResidualSpec } from '../layers/spec.js';

/**
 * `3136×24→144`, pixels and channels of a product; `56×56×144→28×28`, what a window slides over and what it makes, where
 * that differs; `33×33×192 d2`, with a dilation of two; `4·…`, of four pictures.
 */
export function shapeOf(spec: AnySpec | InvertedResidualSpec): string {
  const batch = 'batch' in spec && spec.batch > 1 ? `${spec.batch}·` : '';
  switch (spec.op) {
    case 'inverted_residual': {
      const { widen, filter, project } = spec;
      const images = filter.batch > 1 ? `${filter.batch}·` : '';
      const channels = [widen.inChannels, filter.channels, project.outChannels].join('→');
      const { inHeight, inWidth } = widen.op === 'conv3x3' ? widen : filter;
      return `${images}${inHeight}×${inWidth}×${channels}`;
    }
    case 'pointwise':
      return `${batch}${spec.pixels}×${spec.inChannels}→${spec.outChannels}`;
    case 'sums':
      return `${batch}1×${spec.inChannels}→${spec.outChannels}`;
    case 'conv3x3': {
      const { inHeight, inWidth, inChannels, outHeight, outWidth, outChannels } = spec;
      return `${batch}${inHeight}×${inWidth}×${inChannels}→${outHeight}×${outWidth}×${outChannels}`;
    }
    case 'depthwise3x3': {
      const { inHeight, inWidth, channels, outHeight, outWidth, dilation } = spec;
      const made = outHeight === inHeight && outWidth === inWidth ? '' : `→${outHeight}×${outWidth}`;
      const apart = dilation > 1 ? ` d${dilation}` : '';
      return `${batch}${inHeight}×${inWidth}×${channels}${made}${apart}`;
    }
    case 'average_pool':
      return `${batch}${spec.inHeight}×${spec.inWidth}×${spec.channels}`;
    case 'resize_bilinear':
      return `${batch}${spec.inHeight}×${spec.inWidth}×${spec.channels}→${spec.outHeight}×${spec.outWidth}`;
    case 'concat':
      return `${spec.pixels}×${spec.channels1}+${spec.channels2}`;
    case 'quantize':
      return `${batch}${spec.pixels}×${spec.channels}`;
    case 'argmax':
    case 'batch_norm':
      return `${spec.pixels}×${spec.channels}`;
    default:
      return String(spec.size);
  }
}
