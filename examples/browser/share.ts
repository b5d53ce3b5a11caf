/** What is on the stage as one picture to keep or send, and a link that shows the same to others. */
import { element } from './dom.js';
import { isRightToLeft, t } from './i18n.js';
import { shown, shownSize } from './stage.js';
import { linkTo, readState } from './state.js';

/** Longest edge of a picture that is saved, in pixels. */
const MOST_EDGE = 1600;

/** The picture, its colors and its answer. */
async function compose(): Promise<Blob> {
  const [width, height] = shownSize();
  const scale = Math.min(MOST_EDGE / Math.max(width, height), Math.max(1, 900 / Math.max(width, height)));
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  const context = canvas.getContext('2d')!;
  context.imageSmoothingQuality = 'high';
  context.drawImage(shown(), 0, 0, canvas.width, canvas.height);
  const overlay = element('overlay', HTMLCanvasElement);
  if (!overlay.hidden) {
    context.globalAlpha = Number(overlay.style.opacity || 1);
    context.drawImage(overlay, 0, 0, canvas.width, canvas.height);
    context.globalAlpha = 1;
  }
  write(context, element('caption', HTMLElement).textContent ?? '');
  return new Promise((resolve, reject) =>
    canvas.toBlob((blob) => (blob === null ? reject(new Error(t('error.save'))) : resolve(blob)), 'image/png'),
  );
}

/** The answer as it is on the stage, and the name of the network. */
function write(context: CanvasRenderingContext2D, answer: string): void {
  const { width, height } = context.canvas;
  const size = Math.max(18, Math.round(width / 18));
  const shade = context.createLinearGradient(0, height - 3 * size, 0, height);
  shade.addColorStop(0, 'rgb(8 8 12 / 0%)');
  shade.addColorStop(1, 'rgb(8 8 12 / 78%)');
  context.fillStyle = shade;
  context.fillRect(0, height - 3 * size, width, 3 * size);
  context.fillStyle = '#fff';
  context.textBaseline = 'alphabetic';
  // The page's own fonts; Arabic is set in the system's, as in style.css.
  context.font = isRightToLeft() ? `500 ${size}px system-ui, sans-serif` : `500 ${size}px ui-serif, Georgia, serif`;
  const [start, end] = isRightToLeft() ? [width - 0.7 * size, 0.7 * size] : [0.7 * size, width - 0.7 * size];
  context.direction = isRightToLeft() ? 'rtl' : 'ltr';
  context.textAlign = 'start';
  context.fillText(answer, start, height - 0.7 * size, width - 1.4 * size);
  context.font = `${Math.round(0.4 * size)}px system-ui, sans-serif`;
  context.textAlign = 'end';
  [context.shadowColor, context.shadowBlur] = ['rgb(8 8 12 / 80%)', 0.3 * size]; // to be read on snow, too
  context.fillText('MobileNetV2', end, size);
}

/** Hands the picture to the device's own way of sharing, where it has one; else it is downloaded. */
async function save(): Promise<void> {
  const file = new File([await compose()], `mobilenet-v2-${readState().sample || 'picture'}.png`, {
    type: 'image/png',
  });
  const touch = matchMedia('(pointer: coarse)').matches;
  if (touch && navigator.canShare?.({ files: [file] })) {
    await navigator.share({ files: [file] }).catch((error: DOMException) => {
      if (error.name !== 'AbortError') throw error; // the visitor chose not to share
    });
    return;
  }
  const link = document.createElement('a');
  link.href = URL.createObjectURL(file);
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** @returns whether the clipboard has it */
const copy = async (text: string): Promise<boolean> =>
  navigator.clipboard?.writeText(text).then(
    () => true,
    () => false,
  ) ?? false;

export function listenToShare(act: (action: () => Promise<unknown>) => void, say: (text: string) => void): void {
  element('save', HTMLButtonElement).addEventListener('click', () => act(save));
  element('copy', HTMLButtonElement).addEventListener('click', () =>
    act(async () => {
      const link = linkTo({});
      const text = (await copy(link)) ? t('share.copied') : link;
      say(readState().sample ? text : `${text} ${t('share.own')}`);
    }),
  );
  for (const button of document.querySelectorAll<HTMLButtonElement>('.code button')) {
    const text = () => button.parentElement!.querySelector('code')!.textContent ?? '';
    button.addEventListener('click', () => act(async () => say((await copy(text())) ? t('use.copied') : text())));
  }
}
