/** [C,pixels] → [pixels,C]. With `channels` and pixels exchanged it is the way back. */
export function channelsLast(values, channels) {
  const pixels = values.length / channels;
  const ordered = new Float32Array(values.length);
  for (let c = 0; c < channels; c++)
    for (let p = 0; p < pixels; p++) ordered[p * channels + c] = values[c * pixels + p];
  return ordered;
}
