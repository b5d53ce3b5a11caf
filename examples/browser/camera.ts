/** The camera: its newest frame is worked on, those that come meanwhile are dropped. */
import { t } from './i18n.js';
import { film } from './stage.js';

/** Starts the camera. @throws an Error that says what a visitor can do */
export async function startCamera(): Promise<MediaStream> {
  if (navigator.mediaDevices === undefined) throw new Error(t('error.camera.https'));
  const asked = navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  const stream = await asked.catch((error: DOMException) => {
    throw new Error(explain(error));
  });
  film.srcObject = stream;
  await film.play();
  return stream;
}

function explain({ name, message }: DOMException): string {
  if (name === 'NotAllowedError') return t('error.camera.refused');
  if (name === 'NotFoundError' || name === 'OverconstrainedError') return t('error.camera.none');
  if (name === 'NotReadableError') return t('error.camera.busy');
  return message;
}

export function stopCamera(): void {
  for (const track of (film.srcObject as MediaStream | null)?.getTracks() ?? []) track.stop();
  film.srcObject = null;
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
    last = film.currentTime;
    await work(await createImageBitmap(film));
  }
}

/** Waits until the film is at another time than `last`; drawn or not, so that a hidden page waits. */
function nextFrame(last: number): Promise<void> {
  return new Promise((resolve) => {
    const look = () => {
      if (film.readyState >= 2 && film.videoWidth > 0 && film.currentTime !== last) resolve();
      else requestAnimationFrame(look);
    };
    look();
  });
}
