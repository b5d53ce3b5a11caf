/** The package's `./image`. */
export async function open({ image }) {
  const { RawImage } = await import(image);
  return (bytes) => RawImage.read(bytes);
}
