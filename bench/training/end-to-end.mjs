/**
 * Fine-tuning from pictures to accuracy, with the recipes that PyTorch's figures are of (docs/fine-tuning.md has the table):
 *
 *     bench/training/data.sh digits          fetches the pictures, once
 *     node bench/training/end-to-end.mjs digits
 *     node bench/training/end-to-end.mjs clipart --train head --size 160 --epochs 40
 *
 * Prints a line of JSON an evaluation, as finetune.py does.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import {
  MobileNetV2ForImageClassification,
  MobileNetV2ForSemanticSegmentation,
  MobileNetV2ImageProcessor,
} from 'mobilenet-v2';
import { classificationMetrics, ImageFolder, segmentationMetrics, Trainer } from 'mobilenet-v2/train';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    data: { type: 'string', default: fileURLToPath(new URL('data', import.meta.url)) },
    checkpoint: { type: 'string', default: fileURLToPath(new URL('../../examples/dogs', import.meta.url)) },
    size: { type: 'string', default: '64' },
    train: { type: 'string', default: 'all' },
    norms: { type: 'string', default: 'train' },
    epochs: { type: 'string', default: '6' },
    rate: { type: 'string', default: '1e-3' },
    optim: { type: 'string', default: 'adamw_torch' },
    batch: { type: 'string', default: '32' },
    threads: { type: 'string', default: '1' },
    seed: { type: 'string', default: '0' },
    crop: { type: 'string', default: '0.4' },
    recompute: { type: 'boolean', default: false },
    segment: { type: 'boolean', default: false }, // images/ and masks/
    least: { type: 'string', default: '0' }, // accuracy below which the exit code is 1
  },
});
const [name] = positionals;
const size = Number(options.size);
const processor = new MobileNetV2ImageProcessor({ size: { height: size, width: size }, do_center_crop: false });
const folder = await ImageFolder.open(`${options.data}/${name}`, {
  processor,
  task: options.segment ? 'segment' : 'classify',
  augmentation: { scale: [Number(options.crop), 1], flip: name === 'digits' ? 0 : 0.5 },
});
console.error(
  `${folder.train.length} to train, ${folder.test.length} to test, ${folder.problems.length} broken, ${folder.nearDuplicates.length} pairs nearly the same`,
);
const id2label = folder.id2label;
const Model = options.segment ? MobileNetV2ForSemanticSegmentation : MobileNetV2ForImageClassification;
const model = await Model.from_pretrained(options.checkpoint, {
  ...(options.segment && { output_stride: 16, strict: false }),
  id2label,
  label2id: Object.fromEntries(Object.entries(id2label).map(([k, label]) => [label, Number(k)])),
  ignore_mismatched_sizes: true,
  threads: Number(options.threads),
  seed: Number(options.seed),
});
const start = performance.now();
const trainer = new Trainer({
  model,
  train_dataset: folder.train,
  eval_dataset: folder.test,
  compute_metrics: options.segment ? segmentationMetrics() : classificationMetrics,
  args: {
    train: options.train,
    batch_norm: options.norms,
    num_train_epochs: Number(options.epochs),
    learning_rate: Number(options.rate),
    warmup_ratio: 0.05,
    weight_decay: 0.01,
    per_device_train_batch_size: Number(options.batch),
    per_device_eval_batch_size: 32,
    classifier_dropout_prob: options.segment ? 0.1 : 0.2,
    batch_eval_metrics: options.segment,
    optim: options.optim,
    eval_strategy: 'epoch',
    logging_strategy: 'epoch',
    save_strategy: 'no',
    recompute: options.recompute,
    seed: Number(options.seed),
  },
  callbacks: [
    {
      on_log: (_args, state, _control, { logs }) =>
        console.log(
          JSON.stringify({ ...logs, step: state.global_step, seconds: Math.round((performance.now() - start) / 1000) }),
        ),
    },
  ],
});
await trainer.train();
const metrics = await trainer.evaluate();
console.log(JSON.stringify({ name, ...metrics, MiB: Math.round(process.resourceUsage().maxRSS / 1024) }));
if ((metrics.eval_accuracy ?? metrics.eval_mean_iou) < Number(options.least)) process.exitCode = 1;
