/** Faults in the emitters of kernels of whole numbers, as those of kernels.mjs. */
const POINTWISE = 'src/layers/pointwise/wasm-i16.ts';
const CONV3X3 = 'src/layers/conv3x3/wasm-i16.ts';
const QUANTIZE = 'src/layers/quantize/wasm.ts';
const SUMS = 'src/layers/sums/wasm.ts';
const SHARED = 'src/layers/wasm-i16.ts';

export const I16_TESTS = [
  'test/layers/i16.test.ts',
  'test/layers/i16-goldens.test.ts',
  'test/reliability/kernels.test.ts',
];
export const isI16 = (file) => [POINTWISE, CONV3X3, QUANTIZE, SUMS, SHARED].includes(file);

/** Cases of other kernels need not run. */
export const I16_OPS = { [POINTWISE]: 'pointwise', [CONV3X3]: 'conv3x3', [QUANTIZE]: 'quantize', [SUMS]: 'sums' };

/** [file, what is wrong, text, what it becomes] */
export const I16_FAULTS = [
  [POINTWISE, 'no bias in lanes 4 to 7', 'v128.load(biasAt, 16 * v)', 'v128.load(biasAt, 0)'],
  [POINTWISE, 'the multipliers of other channels', 'v128.load(multiplierAt, 16 * v)', 'v128.load(multiplierAt, 0)'],
  [
    POINTWISE,
    'an odd number of channels ends one early',
    'i32.mul(i32.shr_u(i32.add(p.C, 1), 1), stepBytes(weights))',
    'i32.mul(i32.shr_u(i32.add(p.C, 0), 1), stepBytes(weights))',
  ],
  [
    POINTWISE,
    'after an odd number of channels the next pixel begins one word late',
    'f.set(pixelAt, after);',
    'f.set(pixelAt, pixels[height - 1]);',
  ],
  [
    POINTWISE,
    'tiles take one pixel too many',
    'i32.ge_u(i32.sub(blockEnd, pixelAt), needed)',
    'i32.gt_u(i32.sub(blockEnd, pixelAt), 0)',
  ],
  [POINTWISE, 'a block runs past the last row', 'f.if(i32.gt_s(blockTo, p.rowTo), () => f.set(blockTo, p.rowTo));', ''],
  [POINTWISE, 'a last panel counts as whole', 'i32.ge_s(left, PANEL)', 'i32.ge_s(left, 1)'],
  [
    POINTWISE,
    'a part of the channels reads the first weights',
    'f.set(panel, i32.add(p.w, i32.mul(i32.shr_u(column, 3), panelBytes)));',
    'f.set(panel, i32.add(p.w, i32.mul(i32.shr_u(i32.sub(column, p.colFrom), 3), panelBytes)));',
  ],
  [POINTWISE, 'every image has the first bias', 'bias: at.bias + 4 * n * K', 'bias: at.bias'],
  [POINTWISE, 'weights of 16 bits are widened once more', "C * K <= MOST_WIDENED ? 'i16' : weights", "'i8'"],
  [SUMS, 'no bias in lanes 4 to 7', 'v128.load(i32.add(bias, at), 16 * v)', 'v128.load(i32.add(bias, at), 0)'],
  [SUMS, 'an odd number of channels ends one early', 'i32.shr_u(i32.add(C, 1), 1)', 'i32.shr_u(C, 1)'],
  [
    SUMS,
    'a part of the channels reads the first weights',
    'f.set(weightEnd, i32.add(w, i32.mul(i32.shr_u(colFrom, 3), panelBytes)));',
    'f.set(weightEnd, w);',
  ],
  [SUMS, 'every image writes over the first', 'y: y + 4 * n * K', 'y: y'],
  [CONV3X3, 'rows of taps above the picture count', 'f.if(i32.lt_s(top, 0), () => f.set(first, i32.sub(0, top)));', ''],
  [
    CONV3X3,
    'rows of taps below the picture count',
    'f.if(i32.gt_s(last, 3), () => f.set(last, 3));',
    'f.set(last, 3);',
  ],
  [
    CONV3X3,
    'without the row above, its weights are used all the same',
    'f.set(weightAt, i32.add(panel, i32.mul(first, tapBytes)));',
    'f.set(weightAt, panel);',
  ],
  [CONV3X3, 'a word of the upper half is taken for the lower', 'i32.shl(i32.and(word, 1), 4)', 'i32.const(0)'],
  [CONV3X3, 'the sign of a word alone reaches its neighbor', 'i32.and(i32.load16S(at), 0xffff)', 'i32.load16S(at)'],
  [
    CONV3X3,
    'columns left of the picture count',
    'f.if(i32.lt_s(left, 0), () => f.set(from, i32.mul(i32.sub(0, left), p.C)));',
    '',
  ],
  [
    CONV3X3,
    'columns right of the picture count',
    'f.if(i32.gt_s(i32.add(left, 3), p.W), () => f.set(to, i32.mul(i32.sub(p.W, left), p.C)));',
    '',
  ],
  [
    CONV3X3,
    'the tile that reaches back ends one column late',
    'f.set(column, i32.sub(p.insideTo, WIDTH));',
    'f.set(column, i32.sub(p.insideTo, WIDTH - 1));',
  ],
  [CONV3X3, 'a pixel on the border counts as inside', 'Math.ceil(padLeft / stride)', 'Math.floor(padLeft / stride)'],
  [
    CONV3X3,
    'the last column inside is one too many',
    '(W - 3 + padLeft) / stride) + 1)',
    '(W - 3 + padLeft) / stride) + 2)',
  ],
  [QUANTIZE, 'the last pixels are left out', 'i32.ne(at, stop)', 'i32.ne(stop, stop)'],
  [
    QUANTIZE,
    'eight pixels where there are seven',
    'i32.ge_u(i32.sub(stop, at), 4 * LANES)',
    'i32.gt_u(i32.sub(stop, at), 24)',
  ],
  [SHARED, 'numbers far below the bounds come out above', 'f32x4.pmax(low, v)', 'v'],
  [SHARED, 'NaN is no number of the output', 'f32x4.pmax(low, v)', 'f32x4.pmax(v, low)'],
  [
    SHARED,
    'the upper bound is that of i16',
    'i16x8.min_s(i16x8.narrow_i32x4_s(round(a, rounding), round(b, rounding)), rounding.high)',
    'i16x8.narrow_i32x4_s(round(a, rounding), round(b, rounding))',
  ],
  [SHARED, 'the last of seven words is not stored', 'lane < 7', 'lane < 6'],
  [SHARED, 'the last of an odd number of weights is left out', 'if (T % PAIR === 1)', 'if (T % PAIR === 2)'],
];
