/** The convolutions of MobileNetV2 1.0 as specs, from the paper's Table 2 (https://arxiv.org/abs/1801.04381). */

const TABLE = [
  // t, c, n, s: expansion, output channels, repetitions, stride of the first
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];

/** Every convolution in the order it runs, and the classifier, for a square picture with a size divisible by 32. */
export function networkSpecs(size = 224) {
  const specs = [];
  const pointwise = (pixels, inChannels, outChannels, activation, residual = false) =>
    specs.push({
      op: 'pointwise',
      batch: 1,
      pixels,
      inChannels,
      outChannels,
      biasPerImage: false,
      residual,
      activation,
    });
  const windowed = (side, stride) => ({
    batch: 1,
    inHeight: side,
    inWidth: side,
    outHeight: side / stride,
    outWidth: side / stride,
    stride,
    // TensorFlow's SAME: at stride 2 the one row and column of zeros come after the picture.
    padTop: stride === 1 ? 1 : 0,
    padLeft: stride === 1 ? 1 : 0,
    activation: 'relu6',
  });

  specs.push({ op: 'conv3x3', inChannels: 3, outChannels: 32, ...windowed(size, 2) });
  let side = size / 2;
  let channels = 32;
  for (const [t, c, n, s] of TABLE) {
    for (let i = 0; i < n; i++) {
      const stride = i === 0 ? s : 1;
      const expanded = channels * t;
      if (t > 1) pointwise(side * side, channels, expanded, 'relu6');
      specs.push({ op: 'depthwise3x3', channels: expanded, dilation: 1, ...windowed(side, stride) });
      side /= stride;
      pointwise(side * side, expanded, c, 'none', i > 0);
      channels = c;
    }
  }
  pointwise(side * side, channels, 1280, 'relu6');
  pointwise(1, 1280, 1000, 'none');
  return specs;
}
