/** Pictures of a class: what is trained on, and a thumbnail. */
import { readable } from '../drop.js';
import { video } from '../stage.js';

export interface Example {
  blob: Blob;
  /** Of a frame: those that came in one go are nearly the same. */
  recording?: string;
  thumb: HTMLCanvasElement;
}

const THUMB = 56;
/** The network sees 224 pixels of the shorter edge's 256. A photograph of 12 million takes long to read, and shows the network no more. */
const LARGE_EDGE = 1200;
const SHORT_EDGE = 512;
const FRAME_EDGE = 256;
/** What the training reads as Python does. */
const READ_AS_IS = ['image/png', 'image/jpeg'];

/** @throws where the browser cannot read it */
export async function exampleOf(file: Blob): Promise<Example> {
  const given = await readable(file);
  const bitmap = given instanceof ImageBitmap ? given : await createImageBitmap(given);
  try {
    const asIs = READ_AS_IS.includes(file.type) && Math.max(bitmap.width, bitmap.height) <= LARGE_EDGE;
    return { blob: asIs ? file : await pngOf(bitmap, SHORT_EDGE), thumb: thumbOf(bitmap) };
  } finally {
    bitmap.close();
  }
}

/** What the camera sees now; null before its first frame. */
export async function frameOfCamera(recording: string): Promise<Example | null> {
  if (video.hidden || video.readyState < 2 || video.videoWidth === 0) return null;
  const bitmap = await createImageBitmap(video);
  try {
    return { blob: await pngOf(bitmap, FRAME_EDGE), thumb: thumbOf(bitmap), recording };
  } finally {
    bitmap.close();
  }
}

/** As PNG; its shorter edge is as long as said, or what it was. */
async function pngOf(bitmap: ImageBitmap, shortEdge: number): Promise<Blob> {
  const scale = Math.min(1, shortEdge / Math.min(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(
    Math.max(1, Math.round(bitmap.width * scale)),
    Math.max(1, Math.round(bitmap.height * scale)),
  );
  const context = canvas.getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  return canvas.convertToBlob();
}

function thumbOf(bitmap: ImageBitmap): HTMLCanvasElement {
  const canvas = document.createElement('canvas');
  canvas.width = canvas.height = THUMB;
  const edge = Math.min(bitmap.width, bitmap.height);
  const [left, top] = [(bitmap.width - edge) / 2, (bitmap.height - edge) / 2];
  const context = canvas.getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(bitmap, left, top, edge, edge, 0, 0, THUMB, THUMB);
  return canvas;
}
