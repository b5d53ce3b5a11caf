/** Which layer of Keras a variable of an HDF5 file belongs to, by the words of its path. */
import { expect, it } from 'vitest';
import { readKerasH5 } from '../../src/convert/keras-file.js';
import { type Dataset, type Group, hdf5 } from '../helpers/hdf5-files.js';

const VARIABLE: Dataset = { dims: [1] };

/** A file with a variable at this path. */
function fileWith(path: string): Uint8Array {
  const [first, ...groups] = path.split('/').reverse();
  const root = groups.reduce<Group>((inside, name) => new Map([[name, inside]]), new Map([[first, VARIABLE]]));
  return hdf5(root);
}

it.each([
  ['Conv1/kernel:0', 'Conv1', 'kernel'],
  ['model_weights/Conv1/kernel:0', 'Conv1', 'kernel'],
  ['model_weights/Conv1/Conv1_1/kernel:0', 'Conv1', 'kernel'],
  // The group counts, and not a scope in it that another layer is called by.
  ['model_weights/Conv1/bn_Conv1/kernel:0', 'Conv1', 'kernel'],
  ['Conv1/bn_Conv1/kernel:0', 'Conv1', 'kernel'],
  // A model in a model: then the scope does.
  ['model_weights/mobilenetv2_1.00_224/bn_Conv1/gamma:0', 'bn_Conv1', 'gamma'],
  ['model_weights/mobilenetv2_1.00_224/bn_Conv1_2/gamma:0', 'bn_Conv1', 'gamma'],
])('%s is of %s', (path, layer, variable) => {
  const { layers } = readKerasH5(fileWith(path), 'model.h5');
  expect([...layers].map(([name, variables]) => [name, ...variables.keys()])).toEqual([[layer, variable]]);
});
