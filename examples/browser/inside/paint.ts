/** Numbers as colors: 0 is dark; what is above 0 goes through orange to white, what is below through blue. */

/** @param bright the number that is as bright as can be */
export function paint(data: Uint8ClampedArray, at: number, value: number, bright: number): void {
  const size = Math.min(1, Math.abs(value) / bright);
  const strong = 255 * Math.min(1, 1.6 * size);
  const middle = 255 * size ** 1.2;
  const weak = 255 * Math.max(0, 1.8 * size - 0.8);
  data[at] = 22 + (233 / 255) * (value >= 0 ? strong : weak);
  data[at + 1] = 24 + (231 / 255) * middle;
  data[at + 2] = 30 + (225 / 255) * (value >= 0 ? weak : strong);
  data[at + 3] = 255;
}

/** One number's color, for what is not a picture. */
export function colorOf(value: number, bright: number): string {
  const data = new Uint8ClampedArray(4);
  paint(data, 0, value, bright || 1);
  return `rgb(${data[0]} ${data[1]} ${data[2]})`;
}

/** Is black on a number's color easier to read than white? By WCAG's relative luminance. */
export function isLight(value: number, bright: number): boolean {
  const data = new Uint8ClampedArray(4);
  paint(data, 0, value, bright || 1);
  const [red, green, blue] = [...data].map((c) =>
    c / 255 <= 0.04045 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4,
  );
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179;
}

/** A map [h,w] as a picture of its size. */
export function pictureOf(values: Float32Array, width: number, bright: number): ImageData {
  const image = new ImageData(width, values.length / width);
  for (let i = 0; i < values.length; i++) paint(image.data, 4 * i, values[i], bright);
  return image;
}
