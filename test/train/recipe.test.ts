import { describe, expect, it } from 'vitest';
import { type Recipe, recipeOf } from '../../src/train/recipe.js';

const epochs = (pictures: number, more: Partial<Recipe> = {}) =>
  recipeOf({ task: 'classify', part: 'all', batchNorm: 'frozen', evaluates: true, pictures, ...more }).num_train_epochs;

describe('the recipe', () => {
  it('sees few pictures more often, so that the network makes 240 steps, or each picture 40 times', () => {
    expect([13, 96, 100, 240, 384, 5000].map((pictures) => epochs(pictures))).toEqual([40, 40, 35, 16, 10, 10]);
    expect(epochs(100, { batchSize: 4 })).toBe(10);
    expect(epochs(100, { task: 'segment', part: 'head' })).toBe(35);
  });

  it('sees the features of a head 40 times, which costs nothing', () => {
    expect([13, 5000].map((pictures) => epochs(pictures, { part: 'head' }))).toEqual([40, 40]);
  });
});
