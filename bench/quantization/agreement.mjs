/**
 * How near quantized networks are to the float one, on pictures that they were not calibrated on: the table of
 * docs/quantization.md.
 *
 *     python3 bench/quantization/pictures.py PICTURES
 *     npx mobilenet-v2 convert tf2_mobilenet_v2_1.0_224_ptq.tflite FLOAT --dtype f32
 *     node bench/quantization/agreement.mjs FLOAT PICTURES [observers] [dtypes]
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { MobileNetV2ForImageClassification, MobileNetV2ImageProcessor } from 'mobilenet-v2';
import { quantize } from 'mobilenet-v2/quantize';

const [folder, pictures, observers = 'mse,percentile,average,minmax', dtypes = 'int8,int16'] = process.argv.slice(2);
const filesIn = (name) => {
  const files = readdirSync(join(pictures, name)).sort();
  return files.map((file) => join(pictures, name, file));
};
const calibrate = filesIn('calibrate');
const evaluate = filesIn('evaluate');

const model = await MobileNetV2ForImageClassification.from_pretrained(folder);
const processor = await MobileNetV2ImageProcessor.from_pretrained(folder);

/** The logits of every picture. */
async function logitsOf(network, own) {
  const all = [];
  for await (const { pixel_values } of own.batches(evaluate, {}, 1)) all.push((await network({ pixel_values })).logits);
  return all.map(({ data }) => data);
}

const best = (values) => values.indexOf(Math.max(...values));
const float = await logitsOf(model, processor);

console.log(`${calibrate.length} pictures for calibration, ${evaluate.length} others compared`);
console.log('| dtype | observer | same class | logits are off by |\n| --- | --- | --- | --- |');
for (const dtype of dtypes.split(',')) {
  for (const observer of observers.split(',')) {
    const quantized = await quantize(model, { images: calibrate, processor, dtype, observer });
    const whole = await logitsOf(quantized.model, quantized.processor);
    quantized.model.dispose();
    let [same, difference, deviation] = [0, 0, 0];
    for (const [i, wanted] of float.entries()) {
      if (best(wanted) === best(whole[i])) same++;
      const mean = wanted.reduce((sum, x) => sum + x, 0) / wanted.length;
      for (const [k, x] of wanted.entries()) {
        difference += (whole[i][k] - x) ** 2;
        deviation += (x - mean) ** 2;
      }
    }
    const share = `${((100 * same) / float.length).toFixed(1)} % (${same})`;
    console.log(`| ${dtype} | ${observer} | ${share} | ${(100 * Math.sqrt(difference / deviation)).toFixed(1)} % |`);
  }
}
model.dispose();
