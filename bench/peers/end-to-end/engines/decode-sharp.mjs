import sharp from 'sharp';

export async function open() {
  sharp.concurrency(1);
  return async (bytes) => {
    const { data, info } = await sharp(bytes).removeAlpha().raw().toBuffer({ resolveWithObject: true });
    return { data, width: info.width, height: info.height, channels: info.channels };
  };
}
