/** A page for any bundler. The model's files lie beside it, in model/. */
import { pipeline } from 'mobilenet-v2';

const loading = pipeline('image-classification', 'model/');
document.querySelector('input').addEventListener('change', async ({ target }) => {
  const classify = await loading;
  const [best] = await classify(target.files[0], { top_k: 1 });
  document.querySelector('output').textContent = `${best.label} ${best.score.toFixed(3)}`;
});
