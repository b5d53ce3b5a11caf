/** The camera: its newest frame is worked on, those that come meanwhile are dropped. */
import { t } from './i18n.js';
import { video } from './stage.js';

/** Starts the camera. @throws an Error that says what a visitor can do */
export async function startCamera(): Promise<void> {
  if (navigator.mediaDevices === undefined) throw new Error(t('error.camera.https'));
  const asked = navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  const stream = await asked.catch((error: DOMException) => {
    throw new Error(explain(error));
  });
  video.srcObject = stream;
  await video.play();
}

function explain({ name, message }: DOMException): string {
  if (name === 'NotAllowedError') return t('error.camera.refused');
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return t('error.camera.none');
  if (name === 'NotReadableError') return t('error.camera.busy');
  return message;
}

export function stopCamera(): void {
  for (const track of (video.srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
  video.srcObject = null;
}

/**
 * Calls `work` with the newest frame, and when it is done with the frame that is newest then. The package's `everyFrame` does
 * the same; here it would bring the whole package into the page, which only the worker needs.
 */
export async function everyNewFrame(signal: AbortSignal, work: (frame: ImageBitmap) => Promise<void>): Promise<void> {
  let last = Number.NaN;
  while (!signal.aborted) {
    await nextFrame(last);
    if (signal.aborted) return;
    last = video.currentTime;
    await work(await createImageBitmap(video));
  }
}

/** Waits for a frame of another time than `last`. A hidden page waits until it is seen again. */
function nextFrame(last: number): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (video.readyState >= 2 && video.videoWidth > 0 && video.currentTime !== last) resolve();
      else requestAnimationFrame(look);
    };
    look();
  });
}
