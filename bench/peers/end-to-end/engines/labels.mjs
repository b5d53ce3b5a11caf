/** From logits to the best label, for engines that end at logits. */

/** @param read gives the bytes of a file of the network */
export async function labelsOf(read) {
  const { id2label } = JSON.parse(new TextDecoder().decode(await read('config.json')));
  return (logits) => {
    let best = 0;
    for (const [i, value] of logits.entries()) if (value > logits[best]) best = i;
    let sum = 0;
    for (const value of logits) sum += Math.exp(value - logits[best]);
    return { label: id2label[best], score: 1 / sum };
  };
}

export const SHORTEST = 256;
export const CROP = 224;

/** The size that the shorter side of 256 leads to, and where the middle of 224 begins. */
export function geometry(width, height) {
  const shortest = Math.min(width, height);
  const [w, h] = [width, height].map((side) => Math.trunc((side * SHORTEST) / shortest));
  return { width: w, height: h, left: (w - CROP) >> 1, top: (h - CROP) >> 1 };
}

/** Pixels [224,224,channels] to a tensor [3,224,224] from -1 to 1. */
export function planes(pixels, channels) {
  const size = CROP * CROP;
  const out = new Float32Array(3 * size);
  for (let c = 0; c < 3; c++) {
    for (let i = 0; i < size; i++) out[c * size + i] = pixels[i * channels + c] / 127.5 - 1;
  }
  return out;
}
