/** The code that does in an app what the page shows; a test runs it. */

/** @param picture the name of a file */
export function usage(mode: string, picture: string): string {
  if (mode === 'where') {
    return `import { pipeline } from 'mobilenet-v2';

const segment = await pipeline('image-segmentation');
for (const { label, mask } of await segment('${picture}')) {
  const share = mask.data.filter((value) => value > 0).length / mask.data.length;
  console.log(label, \`\${(100 * share).toFixed(1)} %\`);
}`;
  }
  const folder = mode === 'teach' ? `, 'my-model'` : '';
  return `import { pipeline } from 'mobilenet-v2';

const classify = await pipeline('image-classification'${folder});
for (const { label, score } of await classify('${picture}')) {
  console.log(label, \`\${(100 * score).toFixed(1)} %\`);
}
const { label, heatmap } = await classify.explain('${picture}');
console.log(label, heatmap.width, heatmap.height); // RGBA, to lay over the picture`;
}
