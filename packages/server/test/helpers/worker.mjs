/** A worker without a network, whose pictures say what it is to do: `sleep 100`, `exit`, `throw later`, `fail`, anything else. */
import { setTimeout as sleep } from 'node:timers/promises';

const model = {
  name: 'm',
  version: '1',
  tasks: ['classify'],
  labels: ['a', 'b'],
  input: { name: 'pixel_values', datatype: 'FP32', shape: [-1, 3, 224, 224] },
  outputs: [{ name: 'logits', datatype: 'FP32', shape: [-1, 2] }],
};

export default async function run(job) {
  if (job.kind === 'describe') return { answer: { kind: 'describe', model } };
  const text = Buffer.from(job.pictures[0]).toString();
  const [, ms] = /^sleep (\d+)/.exec(text) ?? [];
  if (ms) await sleep(Number(ms));
  if (text === 'exit') process.exit(1);
  if (text === 'throw later') {
    setTimeout(() => {
      throw new Error('out of nowhere');
    }, 10);
    await sleep(10_000);
  }
  if (text === 'fail') return { error: { kind: 'INTERNAL', message: 'a secret of the house' } };
  const labels = job.pictures.map((bytes) => ({ label: `${bytes.length} bytes`, score: 1, index: 0 }));
  return { answer: { kind: 'pictures', pictures: labels.map((one) => ({ labels: [one] })) } };
}
