/** What a layer does, in the visitor's language: `3×3 convolution, depthwise, stride 2, batch norm, then ReLU6`. */
import { t } from '../i18n.js';
import type { Operation } from '../protocol.js';

/** How activations are written; others as the model has them. */
const WRITTEN: Record<string, string> = { relu: 'ReLU', relu6: 'ReLU6' };

export function describeOperation(operation: Operation): string {
  switch (operation.op) {
    case 'convolution':
      return describeConvolution(operation);
    case 'add':
      return t('operation.add');
    case 'average_pool': {
      const { window } = operation;
      return window === 'global' ? t('operation.mean') : t('operation.pool', { window });
    }
    case 'resize':
      return t('operation.resize');
    case 'concat':
      return t('operation.concat');
    case 'linear':
      return t('operation.linear');
    case 'quantize':
    case 'requantize':
      return t('operation.quantize');
    case 'activation':
      return WRITTEN[operation.function] ?? operation.function;
    case 'batch_norm':
      return t('operation.norm');
  }
}

type Convolution = Extract<Operation, { op: 'convolution' }>;

function describeConvolution({ kernel, groups, stride, dilation, norm, activation }: Convolution): string {
  const parts = [t(groups > 1 ? 'operation.depthwise' : 'operation.convolution', { kernel })];
  if (stride > 1) parts.push(t('operation.stride', { stride }));
  if (dilation > 1) parts.push(t('operation.dilation', { dilation }));
  if (norm !== null) parts.push(t('operation.norm'));
  if (activation !== 'linear') parts.push(t('operation.activation', { name: WRITTEN[activation] ?? activation }));
  return parts.join(t('comma'));
}
