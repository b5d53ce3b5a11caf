/** libjpeg-turbo compiled to WebAssembly, without SIMD. It gives RGBA. */
import { decode } from '@cwasm/jpeg-turbo';

export async function open() {
  return async (bytes) => ({ ...pick(decode(bytes)), channels: 4 });
}
const pick = ({ data, width, height }) => ({ data, width, height });
