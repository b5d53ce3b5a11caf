/** The picture or video that is looked at, with colors and the answer laid over it. */
import { draw, element } from './dom.js';
import { megabytes, t } from './i18n.js';
import type { Progress } from './protocol.js';

const stage = element('stage', HTMLElement);
const image = element('picture', HTMLImageElement);
const overlay = element('overlay', HTMLCanvasElement);
const caption = element('caption', HTMLElement);
const intensity = element('intensity', HTMLInputElement);
const progress = element('progress', HTMLDivElement);
const bar = element('progress-bar', HTMLProgressElement);
export const video = element('video', HTMLVideoElement);

/** What is under the colors. */
export const shown = (): HTMLImageElement | HTMLVideoElement => (video.hidden ? image : video);

/** Its own width and height, in pixels; 0 before there is something to see. */
export const shownSize = (): [width: number, height: number] =>
  video.hidden ? [image.naturalWidth, image.naturalHeight] : [video.videoWidth, video.videoHeight];

/** Resolves once it can be seen. */
export async function showPicture(picture: Blob): Promise<void> {
  const url = URL.createObjectURL(picture);
  const before = image.src;
  image.src = url;
  await image.decode().catch(() => {}); // the worker could read it, and the answer does not need it shown
  if (before.startsWith('blob:')) URL.revokeObjectURL(before);
  image.alt = t('pictureAltNone');
  image.hidden = false;
  video.hidden = true;
  place();
}

export function showVideo(): void {
  image.hidden = true;
  video.hidden = false;
  place();
}

/** The answer on the picture, and for those who cannot see it. */
export function answerIs(answer: string, share = ''): void {
  image.alt = t('pictureAlt', { answer });
  caption.replaceChildren(answer);
  if (share !== '') {
    const small = document.createElement('small');
    small.textContent = share;
    caption.append(' ', small);
  }
  caption.hidden = answer === '';
}

/** Lays colors over the picture, or takes them away. */
export function cover(colors: ImageBitmap | null): void {
  overlay.hidden = colors === null;
  if (colors === null) return;
  draw(overlay, colors);
  place();
}

/** Shows how much of a network has come; null when all of it is there. */
export function showProgress(state: Progress | 'preparing' | null): void {
  progress.hidden = state === null;
  if (state === null) return;
  const text = element('progress-text', HTMLSpanElement);
  if (state === 'preparing') {
    bar.removeAttribute('value');
    text.textContent = t('preparing');
  } else if (state.total > 0) {
    bar.max = state.total;
    bar.value = state.loaded;
    text.textContent = t('loading', { loaded: megabytes(state.loaded), total: megabytes(state.total) });
  } else {
    bar.removeAttribute('value');
    text.textContent = t('loadingUnknown', { loaded: megabytes(state.loaded) });
  }
}

/** Where on the picture a pointer is, in shares of its width and height; null beside it. */
export function placeOf({ clientX, clientY }: MouseEvent): { x: number; y: number } | null {
  const { left, top, width, height } = shown().getBoundingClientRect();
  const [x, y] = [(clientX - left) / width, (clientY - top) / height];
  return x >= 0 && x < 1 && y >= 0 && y < 1 ? { x, y } : null;
}

/** Calls with the place that is pointed at or touched, and with null when the pointer has left. */
export function onPoint(listener: (place: { x: number; y: number } | null) => void): void {
  stage.addEventListener('pointermove', (event) => listener(placeOf(event)));
  stage.addEventListener('pointerdown', (event) => listener(placeOf(event)));
  stage.addEventListener('pointerleave', () => listener(null));
}

/** The picture as large as there is room; what lies over it to the pixel. */
function place(): void {
  const under = shown();
  const [width, height] = shownSize();
  if (width === 0 || height === 0) return;
  const style = getComputedStyle(stage);
  const most = Number.parseFloat(style.getPropertyValue('--most-height')) * innerHeight;
  const scale = Math.min(stage.clientWidth / width, most / height);
  const size = { width: `${Math.round(width * scale)}px`, height: `${Math.round(height * scale)}px` };
  Object.assign(under.style, size);
  const [inner, outer] = [under.getBoundingClientRect(), stage.getBoundingClientRect()];
  const at = { left: `${inner.left - outer.left}px`, top: `${inner.top - outer.top}px` };
  Object.assign(overlay.style, size, at);
  Object.assign(caption.style, { left: at.left, bottom: `${outer.bottom - inner.bottom}px`, width: size.width });
}

const applyIntensity = () => {
  overlay.style.opacity = String(intensity.valueAsNumber / 100);
};
intensity.addEventListener('input', applyIntensity);
applyIntensity();
const observer = new ResizeObserver(place);
for (const part of [stage, image, video]) observer.observe(part);
video.addEventListener('resize', place);
