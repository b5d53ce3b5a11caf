/**
 * Faults in the emitters of WebAssembly, written by hand: what somebody would get wrong there. Each is a piece of text that
 * stands once in its file, and what it becomes.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { I16_FAULTS, I16_OPS, I16_TESTS, isI16 } from './kernels-i16.mjs';

const layer = (name) => `src/layers/${name}/wasm.ts`;
const LAYERS = ['test/layers/wasm.test.ts', 'test/layers/kernels.test.ts', 'test/reliability/kernels.test.ts'];
const RESIZE = [
  'test/images/resize.test.ts',
  'test/processors/rows.test.ts',
  'test/processors/image-processor.test.ts',
];
const PNG = ['test/codecs/png-rows.test.ts', 'test/codecs/png.test.ts'];
const JPEG = [
  'test/codecs/jpeg/samples.test.ts',
  'test/codecs/jpeg/entropy.test.ts',
  'test/codecs/jpeg/decode.test.ts',
  'test/codecs/jpeg.test.ts',
];

/** [file, what is wrong, text, what it becomes] */
const FAULTS = [
  [layer('pointwise'), 'no bias in lanes 4 to 15', 'v128.load(biasAt, 16 * v)', 'v128.load(biasAt, 0)'],
  [
    layer('pointwise'),
    'pixels 2 and on begin without the bias',
    'f.set(sums[r][v], sums[0][v]);',
    'f.set(sums[r][v], v128.const(0, 0, 0, 0));',
  ],
  [
    layer('pointwise'),
    'the bias of another panel',
    'i32.add(p.bias, i32.shl(i32.add(column, from), 2))',
    'i32.add(p.bias, i32.shl(from, 2))',
  ],
  [layer('pointwise'), 'the residual is not added', 'f32x4.add(sums[r][v], v128.load(from, 16 * v))', 'sums[r][v]'],
  [
    layer('pointwise'),
    'the residual of the first pixel for all',
    'f.increase(from, outBytes);',
    'f.increase(from, 0);',
  ],
  [
    layer('pointwise'),
    'the loop over channels ends one early',
    'f.set(weightEnd, i32.add(weightAt, panelBytes));',
    'f.set(weightEnd, i32.sub(i32.add(weightAt, panelBytes), step));',
  ],
  [
    layer('pointwise'),
    'tiles take one pixel too many',
    'i32.ge_u(i32.sub(end, pixelAt), needed)',
    'i32.gt_u(i32.sub(end, pixelAt), 0)',
  ],
  [
    layer('pointwise'),
    'a last panel of eight counts as whole',
    'const isWhole = i32.gt_s(i32.sub(p.K, column), HALF);',
    'const isWhole = i32.ge_s(i32.sub(p.K, column), HALF);',
  ],
  [
    layer('pointwise'),
    'a block runs past the last row',
    'f.if(i32.gt_s(blockTo, p.rowTo), () => f.set(blockTo, p.rowTo));',
    '',
  ],
  [
    layer('pointwise'),
    'a part of the channels reads the first weights',
    'f.set(panel, i32.add(p.w, i32.mul(p.colFrom, rowBytes)));',
    'f.set(panel, p.w);',
  ],
  [
    layer('pointwise'),
    'the last channel is packed again where none is',
    'k < K ? (scale?.[k] ?? 1) : 0',
    'scale?.[Math.min(k, K - 1)] ?? 1',
  ],
  [layer('pointwise'), 'the scale of batch norm is left out', '(scale?.[k] ?? 1)', '1'],
  [
    layer('pointwise'),
    'images after the first read the first',
    'const x = at.x + 4 * n * rows * C;',
    'const x = at.x;',
  ],
  [
    layer('pointwise'),
    'one bias for all images',
    'const bias = at.bias + 4 * n * K * Number(spec.biasPerImage);',
    'const bias = at.bias;',
  ],
  [
    layer('pointwise'),
    'the rest after fives and sixes begins one late',
    'f.set(offset, pixelAt);',
    'f.set(offset, i32.add(pixelAt, rowBytes));',
  ],
  [
    layer('depthwise'),
    'a negative row is not outside',
    'f.if(i32.lt_u(h, p.H), () => {',
    'f.if(i32.lt_s(h, p.H), () => {',
  ],
  [
    layer('depthwise'),
    'one row below the picture is read',
    'f.if(i32.lt_u(h, p.H), () => {',
    'f.if(i32.le_u(h, p.H), () => {',
  ],
  [layer('depthwise'), 'the row of zeros moves on', 'f.set(steps[r], 0);', 'f.set(steps[r], step);'],
  [
    layer('depthwise'),
    'rows of taps stand together where they are dilated',
    'f.increase(h, p.dilation);',
    'f.increase(h, 1);',
  ],
  [layer('depthwise'), 'rows and columns of weights are swapped', 'weights[3 * r + s]', 'weights[3 * s + r]'],
  [
    layer('depthwise'),
    'a ring of rows does not come round',
    'f.if(i32.ge_s(slot, p.held), () => f.set(slot, i32.sub(slot, p.held)));',
    '',
  ],
  [
    layer('depthwise'),
    'stride 2: a picture that ends in a middle column',
    'f.if(hasMiddle, () => f.set(sum, readColumn(window)(sum, 1)));',
    '',
  ],
  [
    layer('depthwise'),
    'stride 1: the second column is always there',
    'f.set(hasSecond, i32.gt_s(whole, 1));',
    'f.set(hasSecond, 1);',
  ],
  [
    layer('depthwise'),
    'outputs after the first strip are left out',
    'setUpTo(stripTo, i32.add(stripFrom, p.strip), p.OW);',
    'setUpTo(stripTo, p.strip, p.OW);',
  ],
  [layer('depthwise'), 'the activation has no upper bound', 'clamp(sum, low, high)', 'clamp(sum, low, sum)'],
  [
    layer('depthwise'),
    'the bias of the first channels for all',
    'f.set(start, v128.load(i32.add(p.bias, lane)));',
    'f.set(start, v128.load(p.bias));',
  ],
  [
    layer('conv3x3'),
    'two pixels where the second is outside',
    'i32.le_s(i32.add(left, stride + 3), W)',
    'i32.le_s(i32.add(left, stride + 2), W)',
  ],
  [layer('conv3x3'), 'the second pixel reads next to the first at stride 2', '4 * (s + p * stride)', '4 * (s + p)'],
  [
    layer('conv3x3'),
    'padding above is lost',
    'f.set(top, i32.sub(i32.mul(row, stride), padTop));',
    'f.set(top, i32.mul(row, stride));',
  ],
  [
    layer('conv3x3'),
    'a column outside on the left is read',
    'i32.lt_u(i32.add(left, s), W)',
    'i32.lt_s(i32.add(left, s), W)',
  ],
  [layer('conv3x3'), 'every channel reads the first plane', 'f.set(planes[r], planeBytes);', 'f.set(planes[r], 0);'],
  [
    layer('conv3x3'),
    'channels after the sixteenth are packed over the first',
    'Math.floor(k / PANEL) * C * 9 * PANEL + (k % PANEL)',
    'k % PANEL',
  ],
  [
    layer('add'),
    'the remainder loop leaves one out',
    'i32.lt_s(at, i32.shl(to, 2))',
    'i32.lt_s(at, i32.shl(i32.sub(to, 1), 2))',
  ],
  [layer('add'), 'vectors run past the end', 'i32.sub(i32.shl(to, 2), 4 * (LANES - 1))', 'i32.shl(to, 2)'],
  [
    layer('add'),
    'the remainder is x alone',
    'f32.add(f32.load(i32.add(x, at)), f32.load(i32.add(other, at)))',
    'f32.load(i32.add(x, at))',
  ],
  [layer('concat'), 'vectors where fewer than four are left', 'i32.ge_s(left, floats)', 'i32.gt_s(left, 0)'],
  [
    layer('concat'),
    'a part begins at the first pixel',
    'i32.add(y, i32.mul(pixelFrom, i32.shl(i32.add(C1, C2), 2)))',
    'y',
  ],
  [layer('pool'), 'the mean of a square window', 'i32.mul(R, S)', 'i32.mul(R, R)'],
  [
    layer('pool'),
    'the upper two channels are the lower two',
    'v128.shuffle([2, 3, 2, 3], values, values)',
    'v128.shuffle([0, 1, 2, 3], values, values)',
  ],
  [layer('pool'), 'the last row of windows is left out', 'i32.add(i32.sub(H, R), 1)', 'i32.sub(H, R)'],
  [
    layer('resize'),
    'nearness and distance are swapped',
    'f64x2.add(f64x2.mul(first, nearness), f64x2.mul(second, distance))',
    'f64x2.add(f64x2.mul(first, distance), f64x2.mul(second, nearness))',
  ],
  [
    layer('resize'),
    'the pixel after the last is read',
    'f.if(i32.ge_s(local, size), () => f.set(local, i32.sub(size, 1)));',
    'f.if(i32.gt_s(local, size), () => f.set(local, i32.sub(size, 1)));',
  ],
  [
    layer('resize'),
    'places left of the first center are negative',
    'f.set(at, f64.max(0, rounded(exact)));',
    'f.set(at, rounded(exact));',
  ],
  [
    'src/layers/wasm-vectors.ts',
    'minimum and maximum are swapped',
    'f32x4.pmin(f32x4.pmax(value, low), high)',
    'f32x4.pmax(f32x4.pmin(value, low), high)',
  ],
  ['src/layers/wasm-vectors.ts', 'NaN becomes a bound', 'f32x4.pmax(value, low)', 'f32x4.pmax(low, value)'],
  ['src/layers/wasm-vectors.ts', 'one lane of the rest is lost', 'lane < 3; lane++', 'lane < 2; lane++'],
  [
    'src/layers/wasm-vectors.ts',
    'one lane too many is stored',
    'i32.gt_s(left, 4 * v + lane)',
    'i32.ge_s(left, 4 * v + lane)',
  ],
  [
    'src/layers/wasm-vectors.ts',
    'the last four channels do not reach back',
    'f.if(i32.lt_s(channel, at), () => f.set(at, channel));',
    'f.set(at, channel);',
  ],
  [
    'src/tensor/wasm/assembler.ts',
    'a loop runs once where it should not',
    'this.if(condition(), () =>\n      this.loop((again) => {\n        body();\n        this.branchIf(again, condition());\n      }),\n    );',
    'this.loop((again) => {\n      body();\n      this.branchIf(again, condition());\n    });',
  ],
  [
    'src/tensor/wasm/assembler.ts',
    'the sum is multiplied',
    'f32x4.relaxed_madd(a, b, sum) : f32x4.add(sum, f32x4.mul(a, b))',
    'f32x4.relaxed_madd(sum, a, b) : f32x4.add(a, f32x4.mul(sum, b))',
  ],
  [
    'src/images/resize/emit.ts',
    'sums are cut and not rounded',
    'f.set(low, i32x4.splat(HALF));',
    'f.set(low, i32x4.splat(0));',
  ],
  [
    'src/images/resize/emit.ts',
    'the upper half of weights is left out',
    'f.set(highs[i], i32x4.add(highs[i], i32x4.dot_i16x8_s(numbers, high)));',
    '',
  ],
  [
    'src/images/resize/emit.ts',
    'pixels of one byte: the last step is left out',
    'f.increase(x, 8);\n        f.increase(tap, 32);\n        f.branchIf(nextTaps, i32.lt_u(tap, end));',
    'f.increase(x, 8);\n        f.increase(tap, 32);\n        f.branchIf(nextTaps, i32.lt_u(i32.add(tap, 32), end));',
  ],
  [
    'src/images/resize/emit.ts',
    'the second of two rows is the first',
    'f.set(b, v128.load(i32.add(x, stride)));',
    'f.set(b, v128.load(x));',
  ],
  [
    'src/images/resize/emit.ts',
    'too bright wraps to dark',
    'i8x16.narrow_i16x8_u(i16x8.narrow_i32x4_s(a, b), i16x8.narrow_i32x4_s(c, d))',
    'i8x16.shuffle([0, 4, 8, 12, 16, 20, 24, 28, 0, 4, 8, 12, 16, 20, 24, 28], a, c)',
  ],
  [
    'src/codecs/png/wasm.ts',
    'Paeth prefers the pixel above',
    'f.set(guess, i32.select(low, corner, i32.le_s(high, limit)));',
    'f.set(guess, i32.select(low, corner, i32.lt_s(high, limit)));',
  ],
  [
    'src/codecs/png/wasm.ts',
    'Paeth of pixels: low and high are swapped',
    'f.set(guess, v128.bitselect(guess, high, i16x8.gt_s(limit, low)));',
    'f.set(guess, v128.bitselect(high, guess, i16x8.gt_s(limit, low)));',
  ],
  ['src/codecs/png/wasm.ts', 'None takes the row above', 'i16x8.splat(i32.sub(0, i32.eq(kind, 2)))', 'i16x8.splat(-1)'],
  ['src/codecs/jpeg/samples/upsample.ts', 'rows are cut and not rounded', 'i16x8.add(sum, half)', 'sum'],
  [
    'src/codecs/png/wasm.ts',
    'Average rounds up',
    'i32.shr_u(i32.add(left, above), 1)',
    'i32.shr_u(i32.add(i32.add(left, above), 1), 1)',
  ],
  [
    'src/codecs/png/wasm.ts',
    'the first pixel of a row has a left neighbor',
    'f.set(left, pixel(i32.sub(row, pixelBytes)));',
    'f.set(left, pixel(row));',
  ],
  [
    'src/codecs/png/wasm.ts',
    'small samples from the lowest bits',
    'i32.sub(i32.sub(8, depth), i32.and(bit, 7))',
    'i32.and(bit, 7)',
  ],
  [
    'src/codecs/jpeg/samples/color.ts',
    'green without Cr',
    'dot(interleave(2, quarter, cb, cr), CB_IN_GREEN, CR_IN_GREEN)',
    'dot(interleave(2, quarter, cb, cr), CB_IN_GREEN, 0)',
  ],
  [
    'src/codecs/jpeg/samples/color.ts',
    'Cb and Cr are swapped',
    'const cb = keep(f, signed(cbSigned));',
    'const cb = keep(f, signed(crSigned));',
  ],
  ['src/codecs/jpeg/samples/color.ts', 'green is cut and not rounded', 'i32x4.splat(1 << 14)', 'i32x4.splat(0)'],
  [
    'src/codecs/jpeg/samples/upsample.ts',
    'the odd columns lean to the left',
    'i16x8.add(x3, after)',
    'i16x8.add(x3, before)',
  ],
  [
    'src/codecs/jpeg/samples/idct-reduced.ts',
    'half size: an odd row has its sign turned',
    'i32x4.sub(tmp12, tmp0)',
    'i32x4.add(tmp12, tmp0)',
  ],
  [
    'src/codecs/jpeg/entropy/bits.ts',
    'negative values are one off',
    'i32.and(mask, i32.sub(top, 1))',
    'i32.and(i32.shl(1, size), i32.sub(top, 1))',
  ],
  [
    'src/codecs/jpeg/entropy/bits.ts',
    'codes longer than a look: one bit too long',
    'f.set(length, LOOK_BITS + 1);',
    'f.set(length, LOOK_BITS + 2);',
  ],
  [
    'src/codecs/jpeg/entropy/passes.ts',
    'a run of sixteen zeros has fifteen',
    'f.increase(k, 16 - SIXTEEN_ZEROS);',
    'f.increase(k, 15 - SIXTEEN_ZEROS);',
  ],
  [
    'src/codecs/jpeg/entropy/passes.ts',
    'a further bit makes negative values smaller',
    '() => f.increase(old, minus),',
    '() => f.increase(old, plus),',
  ],
  [
    'src/codecs/jpeg/entropy/passes.ts',
    'DC is not added up',
    'f.set(bits.found, i32.add(bits.found, i32.load(dc)));',
    '',
  ],
];

/** Cases of other kernels need not run. */
const OPS = Object.fromEntries(
  [
    ['pointwise', 'pointwise'],
    ['depthwise', 'depthwise'],
    ['conv3x3', 'conv3x3'],
    ['add', '^add,'],
    ['concat', 'concat'],
    ['pool', 'average_pool'],
    ['resize', 'resize_bilinear'],
  ].map(([folder, op]) => [layer(folder), op]),
);

const testsOf = (file) => {
  if (isI16(file)) return I16_TESTS;
  if (file.includes('/resize/emit')) return RESIZE;
  if (file.includes('/png/')) return PNG;
  return file.includes('/jpeg/') ? JPEG : LAYERS;
};

/** The line of a text in which `part` stands. It has to stand there once: else nobody knows what was tried. */
function lineOf(text, part, file) {
  const pieces = text.split(part);
  if (pieces.length !== 2) throw new Error(`${file}: stands there ${pieces.length - 1} times: ${part}`);
  return pieces[0].split('\n').length;
}

/** Tries all in a copy of the project. */
export async function tryFaults(root, copy) {
  const results = [];
  for (const [file, what, was, becomes] of [...FAULTS, ...I16_FAULTS]) {
    const text = readFileSync(join(root, file), 'utf8');
    const line = lineOf(text, was, file);
    const found = await copy.finds(file, text.split(was).join(becomes), testsOf(file), OPS[file] ?? I16_OPS[file]);
    console.log(`${found ? 'killed' : 'survived'}: ${file}:${line}, ${what}`);
    results.push({ file, line, was, becomes, status: found ? 'Killed' : 'Survived' });
  }
  return results;
}
