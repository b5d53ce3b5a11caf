/** For edge runtimes, typed: the kernels as a module that is handed in. Compiled only; Node 20 imports no WebAssembly. */
import type { PipelineOptions } from 'mobilenet-v2';
import wasmModule from 'mobilenet-v2/kernels.wasm';

export const options: PipelineOptions = { wasmModule, memory: 'low' };
