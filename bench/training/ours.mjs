/**
 * One measurement of this package for run.mjs, the counterpart of pytorch.py: the same steps by `Trainer`, as users have it.
 *
 * Pictures are random and ready in memory. A step's time is from one `on_step_begin` to its `on_step_end`; the first is not counted.
 */
import { MobileNetV2ForImageClassification } from 'mobilenet-v2';
import { Random, Trainer } from 'mobilenet-v2/train';

const job = JSON.parse(process.argv[2]);
const { size, batch, threads, norms, steps } = job;
const classes = 10;
const model = await MobileNetV2ForImageClassification.from_pretrained(job.checkpoint, {
  num_labels: classes,
  ignore_mismatched_sizes: true,
  threads,
});
const random = Random.at(0);
const pictures = Array.from({ length: batch }, () =>
  Float32Array.from({ length: 3 * size * size }, () => random.uniform(-1, 1)),
);
const train_dataset = {
  length: batch,
  dims: [3, size, size],
  id2label: Object.fromEntries(Array.from({ length: classes }, (_, k) => [k, `LABEL_${k}`])),
  targets: Int32Array.from({ length: batch }, (_, i) => i % classes),
  item: async (index) => ({ pixel_values: pictures[index], label: index % classes }),
};

const times = [];
const losses = [];
let begin;
const trainer = new Trainer({
  model,
  train_dataset,
  args: {
    max_steps: steps + 1,
    per_device_train_batch_size: batch,
    learning_rate: 1e-5,
    lr_scheduler_type: 'constant',
    weight_decay: 0.01,
    classifier_dropout_prob: 0,
    save_strategy: 'no',
    logging_steps: 1,
    ...(norms === 'head' ? { train: 'head' } : { batch_norm: norms, batch_norm_momentum: 0.1 }),
  },
  callbacks: [
    {
      on_step_begin: () => {
        begin = { cpu: process.cpuUsage(), wall: performance.now() };
      },
      on_step_end: () => {
        const { user, system } = process.cpuUsage(begin.cpu);
        times.push({ cpu: (user + system) / 1000, wall: performance.now() - begin.wall });
      },
      on_log: (_args, _state, _control, { logs }) => {
        if ('loss' in logs) losses.push(logs.loss);
      },
    },
  ],
});
const base = process.memoryUsage.rss();
await trainer.train();
const best = (key) => Math.min(...times.slice(1).map((time) => time[key])) / batch;
console.log(
  JSON.stringify({
    engine: 'ours',
    cpu: best('cpu'),
    wall: best('wall'),
    losses,
    base,
    peak: process.resourceUsage().maxRSS * 1024,
  }),
);
