import * as ort from 'onnxruntime-node';
import { openOnnx } from './onnxruntime.mjs';

export const open = (options) => openOnnx(ort, options);
