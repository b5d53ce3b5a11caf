/** What decoders share: how they are loaded, what their errors become, which channels of theirs are kept. */
import { MobileNetError } from '../base/errors.js';
import type { DecodedImage } from '../base/pixels.js';

/** A codec that is loaded when it is first needed. @throws MobileNetError UNSUPPORTED, naming it, where it is not there */
export async function loadCodec<T>(codec: Promise<T>, format: string, packageName: string, file: string): Promise<T> {
  return codec.catch((cause) => {
    if (cause instanceof MobileNetError) throw cause; // a want of the system, for the moment
    throw new MobileNetError(
      'UNSUPPORTED',
      `${file}: the codec for ${format}, ${packageName}, cannot be loaded; install it (npm install ${packageName}) or, in a page, bundle it (${(cause as Error)?.message ?? cause})`,
      { file, cause },
    );
  });
}

/** A codec throws what it likes, a bare TypeError too. It means that the file is damaged, unless memory ran out. */
export function codecError(cause: unknown, file: string): MobileNetError {
  if (cause instanceof MobileNetError) return cause;
  const { message: reason = String(cause), name } = (cause ?? {}) as Partial<Error>;
  const place = { file, cause };
  if (name === 'RangeError' && /allocat|memory|array length/i.test(reason)) {
    const remedy = 'env.limits.imagePixels can be lowered';
    return new MobileNetError('OUT_OF_MEMORY', `${file}: no memory for its pixels (${reason}); ${remedy}`, place);
  }
  return new MobileNetError('IMAGE', `${file}: the picture is damaged (${reason})`, place);
}

/** The first channels of every pixel: a canvas gives RGBA whatever the picture has. */
export function keepChannels({ data, width, height, channels }: DecodedImage, kept: 1 | 3): DecodedImage {
  if (channels === kept) return { data, width, height, channels: kept };
  const out = new Uint8Array(width * height * kept);
  // Of grey, which a codec may give as one channel even when asked about colours, all three are the same.
  const last = channels === 1 ? 0 : kept - 1;
  for (let from = 0, to = 0; to < out.length; from += channels) {
    for (let c = 0; c < kept; c++) out[to++] = data[from + Math.min(c, last)];
  }
  return { data: out, width, height, channels: kept };
}
