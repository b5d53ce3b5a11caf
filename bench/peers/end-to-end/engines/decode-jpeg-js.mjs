import jpeg from 'jpeg-js';

export async function open() {
  const options = { useTArray: true, formatAsRGBA: false, maxMemoryUsageInMB: 2048 };
  return async (bytes) => ({ ...jpeg.decode(bytes, options), channels: 3 });
}
