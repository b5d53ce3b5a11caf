import { PNG } from 'pngjs';

export async function open() {
  return async (bytes) => {
    const { data, width, height } = PNG.sync.read(Buffer.from(bytes));
    return { data, width, height, channels: 4 };
  };
}
