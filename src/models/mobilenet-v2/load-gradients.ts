/**
 * Where models get what computes gradients from: it is loaded with the first of them, for most who run a network train none.
 * An entry says how. Edge runtimes load nothing later, and have neither the time nor the memory to train.
 */
import { MobileNetError } from '../../base/errors.js';
import type { Tensor } from '../../tensor/tensor.js';
import type { GradientOptions, Gradients, TrainableModel } from './gradients.js';
import type { ModelInputs } from './inputs.js';

/** What gradients.ts exports. */
interface GradientsModule {
  gradientsOf(
    model: TrainableModel,
    inputs: ModelInputs | Tensor,
    options: GradientOptions | undefined,
  ): Promise<Gradients>;
  releaseGradients(model: TrainableModel): void;
}

let source: (() => Promise<GradientsModule>) | undefined;

export function provideGradients(load: () => Promise<GradientsModule>): void {
  source = load;
}

/** @throws MobileNetError UNSUPPORTED on an edge runtime, IO where a page cannot load it */
export async function loadGradients(): Promise<GradientsModule> {
  if (source === undefined) {
    throw new MobileNetError('UNSUPPORTED', 'gradients: not on an edge runtime; train in Node or in a page');
  }
  try {
    return await source();
  } catch (cause) {
    const remedy = 'serve every file that the bundler wrote, and try again';
    const why = cause instanceof Error ? ` (${cause.message})` : '';
    throw new MobileNetError('IO', `gradients: the code that computes them could not be loaded${why}; ${remedy}`, {
      cause,
    });
  }
}
