/** What `mobilenet-v2/quantize` is everywhere: it works on a model of `mobilenet-v2`, which has put its platform in place. */
export type { QuantizedDtype } from '../quantize/dtypes.js';
export type { ObserverName } from '../quantize/observers.js';
export type { QuantizeOptions, QuantizeProgress } from '../quantize/options.js';
export { type Quantized, quantize } from '../quantize/quantize.js';
export type { LayerError, QuantizationReport } from '../quantize/report.js';
