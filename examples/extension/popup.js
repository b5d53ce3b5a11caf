/** A page of a browser extension. Its policy forbids eval; without 'wasm-unsafe-eval' it forbids WebAssembly as well. */
import { pipeline } from 'mobilenet-v2';

const classify = await pipeline('image-classification', 'model/');
const [best] = await classify('husky.png', { top_k: 1 });
const { engine } = classify.model.plan([1, 3, 160, 160]);
document.querySelector('output').textContent = `${best.label} ${best.score.toFixed(3)} by ${engine}`;
