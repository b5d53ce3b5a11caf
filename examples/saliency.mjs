/**
 * Which pixels the answer depends on: the gradient of a class's logit by the picture, as a gray picture. A pixel is bright where
 * a small change of it changes the logit much (Simonyan, Vedaldi, Zisserman: arXiv:1312.6034). Gradients are noisy, so it is
 * the mean over copies of the picture with a little noise (Smilkov et al.: arXiv:1706.03825).
 *
 *     node examples/saliency.mjs photo.jpg saliency.png
 */
import { MobileNetV2ForImageClassification, MobileNetV2ImageProcessor, RawImage, Tensor } from 'mobilenet-v2';

const [picture, file] = process.argv.slice(2);
const model = await MobileNetV2ForImageClassification.from_pretrained();
const processor = await MobileNetV2ImageProcessor.from_pretrained();
const { pixel_values } = await processor(picture);
const [, , height, width] = pixel_values.dims;

const { logits } = await model({ pixel_values });
const label = logits.argmax().item();
console.log(`${picture}: ${model.config.id2label[label]}`);

// In place of a loss: the logit of the class, whose gradient by the logits is 1 there and 0 elsewhere.
const logit = ({ data }) => ({ loss: data[label], gradient: data.map((_, k) => Number(k === label)) });
const COPIES = 8;
const strength = new Float32Array(height * width);
for (let copy = 0; copy < COPIES; copy++) {
  const noisy = pixel_values.data.map(
    (value) => value + 0.15 * Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random()),
  );
  const { pixel_values: gradient } = await model.gradients(
    { pixel_values: new Tensor('float32', noisy, pixel_values.dims) },
    { loss: logit, trainable: [], pixelGradient: true },
  );
  for (const [i, value] of gradient.data.entries()) strength[i % strength.length] += Math.abs(value);
}

// The brightest of a thousand pixels are white.
const white = strength.toSorted()[Math.floor(0.999 * strength.length)];
const gray = Uint8ClampedArray.from(strength, (value) => (255 * value) / white);
await new RawImage(gray, width, height, 1).save(file);
console.log(`${file}: ${width} × ${height}`);
