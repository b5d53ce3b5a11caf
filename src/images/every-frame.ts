/** A video or a camera, frame by frame, no faster than the work on a frame allows. */
import { checkSignal } from '../base/abort.js';
import { checkFunction } from '../base/check.js';
import { expected } from '../base/errors.js';
import { checkOptions } from '../base/options.js';

/** The part of HTMLVideoElement that is needed. */
export interface VideoLike extends EventTarget {
  readonly videoWidth: number;
  readonly currentTime: number;
  readonly ended: boolean;
  /** HTMLMediaElement.HAVE_CURRENT_DATA is 2. */
  readonly readyState: number;
  /** The stream of a camera. */
  readonly srcObject?: unknown;
  /** Calls back with the next frame; without it the screen's frames are looked at. */
  requestVideoFrameCallback?(callback: () => void): number;
  /** Takes that back. */
  cancelVideoFrameCallback?(handle: number): void;
}

/** How `everyFrame` runs. */
export interface EveryFrameOptions {
  /** Ends the loop, after the frame that is being worked on. */
  signal?: AbortSignal;
}

/**
 * Calls `work` with the newest frame, waits for what it returns, and takes the frame that is newest then: frames that
 * came meanwhile are dropped, never queued, so that what is shown is never older than one piece of work. While the video
 * is paused, or the page hidden, nothing is called.
 *
 *     const stop = new AbortController();
 *     await everyFrame(video, async (frame) => show(await classify(frame)), { signal: stop.signal });
 *
 * @param work gets an ImageBitmap, which can be transferred to a worker, and is closed when the work is done
 * @returns how many frames were worked on, when the video has ended or `signal` ended it
 * @throws what `work` throws; MobileNetError ARG for anything but a video
 */
export async function everyFrame(
  video: VideoLike,
  work: (frame: ImageBitmap) => unknown,
  options: EveryFrameOptions = {},
): Promise<number> {
  checkOptions(options, ['signal'], 'everyFrame');
  checkFunction(work, 'everyFrame');
  const { signal } = options;
  checkSignal(signal);
  if (typeof video?.videoWidth !== 'number' || typeof video.addEventListener !== 'function') {
    throw expected('everyFrame', 'a video element', video);
  }
  let count = 0;
  let last = Number.NaN;
  while (await nextFrame(video, last, signal)) {
    last = video.currentTime;
    const frame = await createImageBitmap(video as HTMLVideoElement);
    try {
      await work(frame);
    } finally {
      frame.close();
    }
    count++;
  }
  return count;
}

/** Resolves with true at the next frame, with false at the end of the video. */
function nextFrame(video: VideoLike, last: number, signal: AbortSignal | undefined): Promise<boolean> {
  return new Promise((resolve) => {
    let cancel = () => {};
    // Chromium's element is not `ended` when all tracks of its stream were stopped; the stream tells.
    const stream = video.srcObject as Partial<MediaStream> | null | undefined;
    const finish = (more: boolean) => {
      cancel();
      stream?.removeEventListener?.('inactive', end);
      for (const name of ENDINGS) video.removeEventListener(name, end);
      signal?.removeEventListener('abort', end);
      resolve(more);
    };
    const end = () => finish(false);
    const ready = () => video.readyState >= 2 && video.videoWidth > 0;
    if (signal?.aborted || video.ended || stream?.active === false) return resolve(false);
    stream?.addEventListener?.('inactive', end);
    for (const name of ENDINGS) video.addEventListener(name, end);
    signal?.addEventListener('abort', end);
    if (video.requestVideoFrameCallback !== undefined) {
      const wait = () => {
        const handle = video.requestVideoFrameCallback!(() => (ready() ? finish(true) : wait()));
        cancel = () => video.cancelVideoFrameCallback?.(handle);
      };
      // A video that stands still shows its first frame without a call.
      if (Number.isNaN(last) && ready()) finish(true);
      else wait();
      return;
    }
    // Without such a call, ask at every frame of the screen: a video whose time has moved shows another frame.
    const look = () => {
      if (ready() && video.currentTime !== last) return finish(true);
      const handle = requestAnimationFrame(look);
      cancel = () => cancelAnimationFrame(handle);
    };
    look();
  });
}

const ENDINGS = ['ended', 'emptied'] as const;
