/** What train.test.ts has a page do: draw pictures into its private file system, train on them, and report. */
import { env, MobileNetV2ForImageClassification, MobileNetV2ImageProcessor } from '/dist/entries/main-web.js';
import { assess, classificationMetrics, ImageFolder, reportPage, Trainer } from '/dist/entries/train.js';

export async function run() {
  env.onWarning = null;
  const draw = async (label, i) => {
    const canvas = new OffscreenCanvas(96, 96);
    const context = canvas.getContext('2d');
    context.fillStyle = `hsl(${i * 37} 60% 80%)`;
    context.fillRect(0, 0, 96, 96);
    context.fillStyle = `hsl(${i * 53} 80% 30%)`;
    context.beginPath();
    if (label === 'disc') context.arc(25 + ((i * 29) % 45), 25 + ((i * 41) % 45), 12 + i, 0, 7);
    else for (let y = i; y < 96; y += 9 + 2 * i) context.rect(0, y, 96, 4 + i);
    context.fill();
    return canvas.convertToBlob();
  };
  const top = await (await navigator.storage.getDirectory()).getDirectoryHandle('shapes', { create: true });
  const files = [['disc/broken.png', new Blob(['no picture'])]];
  for (const label of ['disc', 'stripes']) {
    for (let i = 0; i < 10; i++) files.push([`${label}/${i}.png`, await draw(label, i)]);
  }
  for (const [path, blob] of files) {
    const [label, name] = path.split('/');
    const file = await (await top.getDirectoryHandle(label, { create: true })).getFileHandle(name, { create: true });
    const writable = await file.createWritable();
    await writable.write(blob);
    await writable.close();
  }
  const model = '/weights/mobilenet_v2_1.0_224/';
  const size = { size: { shortest_edge: 96 }, crop_size: { height: 96, width: 96 } };
  const processor = await MobileNetV2ImageProcessor.from_pretrained(model, size);
  const folder = await ImageFolder.open(top, { processor, augmentation: null });
  const listed = await ImageFolder.open(files, { processor, augmentation: null });
  const { id2label, train, test } = folder;
  const network = await MobileNetV2ForImageClassification.from_pretrained(model, {
    id2label,
    ignore_mismatched_sizes: true,
  });
  const args = {
    train: 'head',
    num_train_epochs: 20,
    learning_rate: 1e-3,
    save_strategy: 'no',
    classifier_dropout_prob: 0,
  };
  const trainer = new Trainer({
    model: network,
    args,
    train_dataset: train,
    eval_dataset: test,
    compute_metrics: classificationMetrics,
  });
  await trainer.train();
  const assessment = await assess(network, test);
  return {
    ...{ train: train.length, test: test.length, labels: Object.values(id2label) },
    sameFiles: [0, 1, 2, 3].every((i) => test.file(i) === listed.test.file(i)),
    problems: folder.problems.map(({ file }) => file),
    accuracy: assessment.matrix.accuracy,
    html: reportPage({ title: 'shapes', remarks: [], assessment, labels: id2label, mistakes: [] }),
  };
}
