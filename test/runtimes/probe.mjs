/** Prints the label and the engine that computed it. Copied into the project, so that it meets the package installed there. */
import { pipeline } from 'mobilenet-v2';
import { load_image } from 'mobilenet-v2/image';

const classify = await pipeline('image-classification');
const [{ label, score }] = await classify(await load_image('husky.png'), { top_k: 1 });
const { engine } = classify.model.plan([1, 3, 224, 224]);
classify.dispose();
console.log(JSON.stringify({ label: `${label} ${score.toFixed(3)}`, engine }));
