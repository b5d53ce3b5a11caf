import { readFileSync } from 'node:fs';
import { PNG } from 'pngjs';
import { describe, expect, test } from 'vitest';
import { classMaps, post_process_semantic_segmentation } from '../../src/processors/postprocess.js';
import { Tensor } from '../../src/tensor/tensor.js';
import { maxDifference, readGoldens } from '../helpers/goldens.js';
import { makeLogits } from '../helpers/processor-inputs.js';
import { shared, sharedFiles } from '../helpers/shared.js';

interface Case {
  name: string;
  dims: number[];
  seed: number;
  levels: number;
  sizes: [number, number][] | null;
  scores: boolean;
  exact: boolean;
}

const folder = new URL('../goldens/processors/', import.meta.url);
const cases = JSON.parse(readFileSync(new URL('cases.json', folder), 'utf8')).postprocess as Case[];
const goldens = readGoldens(new URL('expected.safetensors', folder));

test.each(cases)('as transformers does: $name', ({ name, dims, seed, levels, sizes, scores, exact }) => {
  const logits = makeLogits(dims, seed, levels);
  const maps = post_process_semantic_segmentation({ logits }, sizes);
  const full = post_process_semantic_segmentation({ logits }, sizes, { return_segmentation_scores: true });
  expect(maps.length).toBe(dims[0]);
  for (const [i, map] of maps.entries()) {
    const segmentation = goldens.get(`${name}.${i}.segmentation`)!;
    expect(map.type).toBe('int64'); // as torch's argmax
    expect(map.dims).toEqual(segmentation.dims);
    expect(Array.from(map.data, Number)).toEqual(Array.from(segmentation.data as Uint8Array));
    expect(full[i]!.segmentation.data).toEqual(map.data);
    if (!scores) continue;
    const expected = goldens.get(`${name}.${i}.scores`)!;
    expect(full[i]!.segmentation_scores.dims).toEqual(expected.dims);
    const { difference } = maxDifference(full[i]!.segmentation_scores.data, expected.data as Float32Array);
    // Values are below 8: two units in the last place where PyTorch's own result depends on the machine.
    expect(difference).toBeLessThanOrEqual(exact ? 0 : 2 ** -20);
  }
});

const photographs = sharedFiles('goldens').filter((name) => /^segment_.*safetensors$/.test(name));
describe.runIf(photographs.length > 0)('class maps of real photographs', () => {
  test.each(photographs)('%s', (name) => {
    const golden = readGoldens(shared(`goldens/${name}`)).get('logits')!;
    const logits = new Tensor('float32', golden.data as Float32Array, golden.dims);
    // The map at the photograph's size, class indices as grey values, which pngjs repeats in R, G and B.
    const map = PNG.sync.read(readFileSync(shared(`goldens/${name.replace('safetensors', 'png')}`)));
    const [segmentation] = post_process_semantic_segmentation({ logits }, [[map.height, map.width]]);
    expect(segmentation!.dims).toEqual([map.height, map.width]);
    expect(segmentation!.data.every((label, i) => Number(label) === map.data[i * 4])).toBe(true);
  });
});

test('target sizes may come as a tensor', () => {
  const logits = makeLogits([2, 3, 4, 4], 1, 0);
  const sizes = new Tensor('int64', [5, 6, 7, 8], [2, 2]);
  const maps = post_process_semantic_segmentation({ logits }, sizes);
  expect(maps.map((map) => map.dims)).toEqual([
    [5, 6],
    [7, 8],
  ]);
});

test('arguments as transformers takes them: null, and true in third place', () => {
  const logits = makeLogits([1, 3, 4, 4], 1, 0);
  const [map] = post_process_semantic_segmentation({ logits }, null);
  expect(map).toEqual(post_process_semantic_segmentation({ logits })[0]);
  const [{ segmentation, segmentation_scores }] = post_process_semantic_segmentation({ logits }, [[4, 4]], true);
  expect(segmentation).toEqual(map);
  expect(segmentation_scores).toEqual(logits.view(3, 4, 4));
});

test('pixels whose class is less likely than a threshold have none', () => {
  const logits = makeLogits([1, 5, 9, 7], 3, 0);
  const scores = logits.softmax(1);
  const best = [...logits.argmax(1).data].map(Number);
  const likely = best.map((k, at) => scores.data[k * 63 + at]);
  for (const threshold of [0, 0.3, 0.5, 0.9, 1]) {
    const [{ segmentation }] = classMaps({ logits }, null, { threshold });
    expect([...segmentation.data]).toEqual(best.map((k, at) => (likely[at] >= threshold ? k : -1)));
  }
  expect(likely.filter((score) => score < 0.5).length).toBeGreaterThan(3);
});

test('the class of a pixel is the first of the largest scores there, also where rounding makes some equal', () => {
  // Scores are computed for every class, and all of them compared; a map alone leaves most classes out.
  const sizes: [number, number][] = [
    [5, 7],
    [9, 4],
    [40, 33],
    [64, 3],
    [2, 2],
    [1, 50],
  ];
  let equal = 0;
  for (const [seed, size] of sizes.entries()) {
    for (const levels of [0, 2, 3, 6]) {
      for (const [scale, step] of [
        [1, 0],
        [1e-44, 0],
        [3e38, 0],
        [1, 2 ** -23],
        [1, 2 ** -21],
        [100, 2 ** -17],
      ]) {
        const random = makeLogits([1, 6, 5, 7], 10 * seed + levels, levels);
        // Steps as small as a rounding: classes that are as good as equal at the corners.
        const data = random.data.map((value) => (step === 0 ? (value / 8) * scale : scale + Math.round(value) * step));
        const logits = new Tensor('float32', data, [1, 6, 5, 7]);
        const [{ segmentation, segmentation_scores: scores }] = classMaps({ logits }, [size], { scores: true });
        expect(classMaps({ logits }, [size], {})[0].segmentation.data).toEqual(segmentation.data);
        const pixels = size[0] * size[1];
        for (let at = 0; at < pixels; at++) {
          const own = Array.from({ length: 6 }, (_, k) => scores!.data[k * pixels + at]);
          const best = Math.max(...own);
          expect(segmentation.data[at]).toBe(own.indexOf(best));
          if (own.indexOf(best) !== own.lastIndexOf(best)) equal++;
        }
      }
    }
  }
  expect(equal).toBeGreaterThan(1000);
});

test('what does not fit is refused', () => {
  const logits = makeLogits([2, 3, 4, 4], 1, 0);
  const refused = (code: string, outputs: unknown, sizes?: unknown) =>
    expect(() =>
      post_process_semantic_segmentation(outputs as { logits: Tensor }, sizes as [number, number][]),
    ).toThrowError(expect.objectContaining({ code }));
  refused('ARG', { logits }, [[4, 4]]);
  refused('ARG', { logits }, [[4, 4], [4]]);
  refused('ARG', { logits }, [
    [4, 4],
    [4, 0],
  ]);
  refused('ARG', { logits }, [
    [4, 4],
    [4, 1.5],
  ]);
  refused('ARG', { logits }, 'both');
  refused('LIMIT', { logits }, [
    [4, 4],
    [1e5, 1e5],
  ]);
  refused('ARG', {});
  refused('ARG', undefined);
  refused('ARG', { logits: logits.view(6, 4, 4) });
  refused('ARG', { logits: logits.to('float64') });
  refused('ARG', { logits: new Tensor('float32', [], [1, 0, 4, 4]) });
  for (const broken of [Number.NaN, Number.POSITIVE_INFINITY]) {
    const spoiled = logits.clone();
    spoiled.data[50] = broken;
    refused('ARG', { logits: spoiled });
    expect(() => post_process_semantic_segmentation({ logits: spoiled })).toThrow(`${broken} at element 50`);
  }
});
