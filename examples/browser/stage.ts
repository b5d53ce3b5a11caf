/** The picture or film that is looked at, with colours laid over it. */
import { element } from './dom.js';

const stage = element('stage', HTMLDivElement);
const image = element('picture', HTMLImageElement);
const overlay = element('overlay', HTMLCanvasElement);
const opacity = element('opacity', HTMLInputElement);
const opacityRow = element('opacity-row', HTMLDivElement);
export const film = element('film', HTMLVideoElement);

export function showPicture(picture: Blob): void {
  URL.revokeObjectURL(image.src);
  image.src = URL.createObjectURL(picture);
  show(image);
}

export function showFilm(): void {
  show(film);
}

export function showNothing(): void {
  image.hidden = true;
  film.hidden = true;
  stage.classList.add('empty');
  element('invitation', HTMLParagraphElement).hidden = false;
  cover(null);
}

function show(shown: HTMLElement): void {
  image.hidden = shown !== image;
  film.hidden = shown !== film;
  stage.classList.remove('empty');
  element('invitation', HTMLParagraphElement).hidden = true;
}

export function describePicture(text: string): void {
  image.alt = text;
}

/** Lays colours over the picture, or takes them away. @param explains the colours are a map of why, not of classes */
export function cover(colours: ImageBitmap | null, explains = false): void {
  stage.classList.toggle('explained', explains);
  overlay.hidden = colours === null;
  opacityRow.hidden = colours === null;
  if (colours === null) return;
  overlay.width = colours.width;
  overlay.height = colours.height;
  overlay.getContext('bitmaprenderer')!.transferFromImageBitmap(colours);
  place();
}

/** Parts of the window's height that a picture may take, and times that a small one is enlarged. */
const MOST_HEIGHT = 0.65;
const MOST_SCALE = 2;

/** The picture as large as there is room; the colours over what is shown, to the pixel. */
function place(): void {
  const { naturalWidth, naturalHeight } = image;
  const highest = (MOST_HEIGHT * innerHeight * naturalWidth) / naturalHeight;
  image.style.width = `${Math.min(stage.clientWidth, highest, MOST_SCALE * naturalWidth)}px`;
  const under = (image.hidden ? film : image).getBoundingClientRect();
  const around = stage.getBoundingClientRect();
  overlay.style.left = `${under.left - around.left - stage.clientLeft}px`;
  overlay.style.top = `${under.top - around.top - stage.clientTop}px`;
  overlay.style.width = `${under.width}px`;
  overlay.style.height = `${under.height}px`;
}

const applyOpacity = () => {
  overlay.style.opacity = String(opacity.valueAsNumber / 100);
};
opacity.addEventListener('input', applyOpacity);
applyOpacity();
const observer = new ResizeObserver(place);
for (const part of [stage, image, film]) observer.observe(part);
