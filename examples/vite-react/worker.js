/** Loads the model once, then answers for every picture. */
import { pipeline } from 'mobilenet-v2';

let loading;
addEventListener('message', async ({ data: { model, picture } }) => {
  loading ??= pipeline('image-classification', model);
  if (picture === undefined) return;
  try {
    const classify = await loading;
    const [best] = await classify(picture, { top_k: 1 });
    postMessage(`${best.label} ${best.score.toFixed(3)}`);
  } catch (error) {
    postMessage(error.message);
  }
});
