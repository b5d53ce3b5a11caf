/** The page: a mode, a picture, an answer. Everything that takes time is asked of the worker. */
import { everyNewFrame, startCamera, stopCamera } from './camera.js';
import { connect } from './client.js';
import { element, listenToFiles, make } from './dom.js';
import { droppedFiles, isModel, readable } from './drop.js';
import { firstLanguage, LANGUAGES, language, milliseconds, remember, speak, t, tenths } from './i18n.js';
import { Inside } from './inside/figure.js';
import type { Mode, ModeName, Shell } from './modes/mode.js';
import { TeachMode } from './modes/teach.js';
import { WhatMode } from './modes/what.js';
import { WhereMode } from './modes/where.js';
import type { ModelInfo, Settings, Times } from './protocol.js';
import { describe, listen } from './settings.js';
import { listenToShare } from './share.js';
import { cover, showPicture, showProgress, showVideo, video } from './stage.js';
import { readState, writeState } from './state.js';
import { usage } from './usage.js';

const FIRST_SAMPLE = 'parrot.jpg';

const client = connect(new Worker('worker.js', { type: 'module' }), showProgress);
const camera = element('camera', HTMLButtonElement);
const status = element('status', HTMLDivElement);
const time = element('time', HTMLParagraphElement);

const shell: Shell = {
  ...{ client, act, again, startCamera: startFilming },
  filming: () => filming !== undefined,
  adoptKept: () => adopt(client.adoptKept()),
};
const what = new WhatMode(shell);
const modes: Record<ModeName, Mode> = {
  what,
  where: new WhereMode(shell),
  teach: new TeachMode(shell),
};
let mode: Mode = modes.what;
/** Is there a picture that the worker has seen? */
let hasPicture = false;
/** Has the mode that is on answered it? */
let answered = false;
const inside = new Inside({
  client,
  task: () => (answered ? mode.task : null),
  explained: () => mode.explained,
  fail,
});

let filming: AbortController | undefined;
/** How many of the visitor's actions are running. */
let acting = 0;
/** Answers to an older question come too late. */
let turn = 0;

function fail(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), error instanceof NotLoaded);
}

/** The network did not come; it may with the next try. */
class NotLoaded extends Error {}

function say(message: string, mayTryAgain = false): void {
  const text = make('span', { text: message });
  const retry = make('button', { text: t('retry') });
  retry.hidden = !mayTryAgain;
  retry.addEventListener('click', () => act(again));
  const close = make('button', { className: 'plain', text: t('close') });
  close.addEventListener('click', () => status.replaceChildren());
  status.replaceChildren(text, retry, close);
}

/** Runs what someone asked for, and says so if it fails. */
function act(action: () => Promise<unknown>): void {
  status.replaceChildren();
  acting++;
  document.body.ariaBusy = 'true';
  action()
    .catch(fail)
    .finally(() => {
      document.body.ariaBusy = String(--acting > 0);
    });
}

// Modes

function enter(next: Mode): void {
  turn++;
  answered = false;
  if (next !== mode) {
    mode.leave?.();
    cover(null);
  }
  mode = next;
  document.body.dataset.mode = mode.name;
  for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-mode]')) {
    button.ariaPressed = String(button.dataset.mode === mode.name);
  }
  for (const name of Object.keys(modes)) element(`panel-${name}`, HTMLDivElement).hidden = name !== mode.name;
  element('own-row', HTMLParagraphElement).hidden = true; // until its network is there
  showParts();
  writeState({ mode: mode.name === 'what' ? '' : mode.name });
  time.textContent = '';
  showUsage();
  mode.enter?.();
}

/** Shows what there is to a network, where the mode has one. */
function showParts(): void {
  for (const id of ['inside', 'intensity-row', 'share-row']) element(id, HTMLElement).hidden = mode.task === null;
  element('copy', HTMLButtonElement).hidden = mode.task === 'taught'; // it is on this device alone
}

for (const button of document.querySelectorAll<HTMLButtonElement>('button[data-mode]')) {
  button.addEventListener('click', () => {
    enter(modes[button.dataset.mode as ModeName]);
    act(again);
  });
}

/** Answers the picture in the mode that is on. While the camera is on, its next frame is answered. */
async function again(): Promise<void> {
  showParts();
  if (!hasPicture && filming === undefined) return;
  const own = ++turn;
  const stale = () => own !== turn;
  await load(mode, stale);
  if (stale() || filming !== undefined) return;
  const times = await mode.look(stale, false);
  if (stale()) return;
  if (times !== null) tellTimes(times);
  answered = true;
  await inside.refresh();
}

/** Loads the network of a mode, if it has one, and tells how far it is. */
async function load(asked: Mode, stale: () => boolean): Promise<void> {
  const { task } = asked;
  if (task === null) return;
  const slow = setTimeout(() => showProgress('preparing'), 150);
  try {
    const info = await client.open(task).catch((error: Error) => {
      throw new NotLoaded(t('error.offline', { reason: error.message }), { cause: error });
    });
    if (stale()) return;
    describe(info);
    asked.loaded?.(info);
  } finally {
    clearTimeout(slow);
    showProgress(null);
  }
}

function tellTimes({ prepareMs, networkMs }: Times): void {
  const [prepare, network] = [tenths(prepareMs), tenths(networkMs)];
  time.textContent = t('times', {
    prepare: milliseconds(prepare),
    network: milliseconds(network),
    total: milliseconds(prepare + network),
  });
}

// Pictures

/** A picture that cannot be read leaves everything as it was. */
async function take(picture: Blob, sample = ''): Promise<void> {
  const name = picture instanceof File ? picture.name : sample;
  // A sample can be shown before the worker is there, which reads it.
  if (sample !== '' && filming === undefined) {
    cover(null);
    await showPicture(picture);
  }
  const see = async () => client.see(await readable(picture));
  await see().catch((error) => {
    throw picture instanceof File ? new Error(t('error.noPicture', { name }), { cause: error }) : error;
  });
  const wasFilming = filming !== undefined;
  stopFilming();
  if (wasFilming) await see(); // a frame may have come between
  turn++;
  hasPicture = true;
  for (const each of Object.values(modes)) each.forget?.();
  cover(null);
  writeState({ sample: sample.replace(/\.\w+$/, '') });
  for (const button of samples) button.ariaPressed = String(button.dataset.sample === sample);
  if (sample === '' || wasFilming) await showPicture(picture);
  showUsage();
  await again();
}

function showUsage(): void {
  const { sample = '' } = readState();
  element('use-code', HTMLElement).textContent = usage(mode.name, sample === '' ? 'your-picture.jpg' : `${sample}.jpg`);
}

const samples = [...document.querySelectorAll<HTMLButtonElement>('button[data-sample]')];

/** The sample that the address names, or the first. */
function sampleOfAddress(): string {
  const { sample } = readState();
  const known = samples.find((button) => button.dataset.sample?.startsWith(`${sample}.`));
  return known?.dataset.sample ?? FIRST_SAMPLE;
}

async function takeSample(file: string): Promise<void> {
  const response = await fetch(`samples/${file}`);
  if (!response.ok) throw new Error(t('error.noPicture', { name: file }));
  await take(await response.blob(), file);
}
for (const button of samples) button.addEventListener('click', () => act(() => takeSample(button.dataset.sample!)));

const file = element('file', HTMLInputElement);
listenToFiles(element('choose', HTMLButtonElement), file, ([chosen]) => {
  if (chosen !== undefined) act(() => take(chosen));
});

document.addEventListener('paste', ({ clipboardData }) => {
  const pasted = [...(clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
  if (pasted !== undefined) act(() => take(pasted));
});

document.addEventListener('dragover', (event) => {
  event.preventDefault();
  const on = event.target instanceof Element ? event.target : null;
  element('drop-text', HTMLSpanElement).textContent = mode.dropText?.(on) ?? t('dropHere');
  document.body.classList.add('dropping');
});
document.addEventListener('dragleave', ({ relatedTarget }) => {
  if (relatedTarget === null) document.body.classList.remove('dropping');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  const { dataTransfer, target } = event;
  const on = target instanceof Element ? target : null;
  if (dataTransfer === null) return;
  const dropping = droppedFiles(dataTransfer);
  act(async () => {
    const files = await dropping;
    if (isModel(files)) return adopt(client.adopt(files));
    if (await mode.drop?.(files, on)) return;
    const [first] = files;
    if (first === undefined) throw new Error(t('error.noFile'));
    await take(first.file);
  });
});

// The camera

camera.addEventListener('click', () => {
  if (filming === undefined) act(startFilming);
  else act(() => takeSample(sampleOfAddress()));
});

async function startFilming(): Promise<void> {
  camera.disabled = true; // while the browser asks
  await startCamera().finally(() => {
    camera.disabled = false;
  });
  filming = new AbortController();
  turn++;
  for (const each of Object.values(modes)) each.forget?.();
  document.body.classList.add('filming');
  camera.ariaPressed = 'true';
  camera.textContent = t('cameraStop');
  inside.pause();
  cover(null);
  showVideo();
  await load(mode, () => false);
  // Not awaited: it goes on until it is stopped.
  let before = performance.now();
  everyNewFrame(filming.signal, async (frame) => {
    const times = await lookAtFrame(frame);
    const now = performance.now();
    if (times !== null) tellRate(1000 / (now - before), times);
    before = now;
  }).catch((error) => {
    stopFilming();
    fail(error);
  });
}

async function lookAtFrame(frame: ImageBitmap): Promise<Times | null> {
  await client.see(frame);
  hasPicture = true;
  const own = turn;
  return mode.look(() => own !== turn, true);
}

function tellRate(rate: number, { networkMs }: Times): void {
  time.textContent = t('timesLive', { count: Math.round(rate), network: milliseconds(networkMs) });
}

function stopFilming(): void {
  if (filming === undefined) return;
  filming.abort();
  filming = undefined;
  turn++;
  stopCamera();
  document.body.classList.remove('filming');
  camera.ariaPressed = 'false';
  camera.textContent = t('camera');
  video.hidden = true;
}

// Networks and engines

async function adopt(adopting: Promise<ModelInfo>): Promise<void> {
  const info = await adopting;
  enter(modes[info.task === 'where' ? 'where' : 'what']);
  element('headline', HTMLHeadingElement).focus({ preventScroll: true }); // the button that asked may be gone
  describe(info);
  await again();
}

listen({
  configure: (settings: Settings) =>
    act(async () => {
      await client.configure(settings);
      await again();
    }),
  adopt: (files) => act(() => adopt(client.adopt(files))),
  restore: () =>
    act(async () => {
      await client.restore();
      element('headline', HTMLHeadingElement).focus({ preventScroll: true }); // the button that asked is gone
      await again();
    }),
});

listenToShare(act, say);

// Language

const languageButton = element('language', HTMLButtonElement);
languageButton.addEventListener('click', () =>
  act(async () => {
    const next = LANGUAGES[(LANGUAGES.indexOf(language()) + 1) % LANGUAGES.length];
    await speak(next);
    remember(next);
    writeState({ lang: next === 'en' ? '' : next });
    if (filming !== undefined) camera.textContent = t('cameraStop');
    what.forgetLanguage();
    mode.enter?.();
    await again();
  }),
);

act(async () => {
  const { mode: asked, lang } = readState();
  const first = firstLanguage(lang);
  if (first !== 'en') {
    await speak(first);
    writeState({ lang: first });
    element('headline', HTMLHeadingElement).textContent = t('looking');
  }
  enter(Object.hasOwn(modes, asked ?? '') ? modes[asked as ModeName] : modes.what);
  await takeSample(sampleOfAddress()).finally(() => showProgress(null)); // which the page begins with
  // A link to a layer shows the layer.
  if (readState().layer && mode.task !== null) element('inside', HTMLElement).scrollIntoView();
  // For the next visit, without a network too. Where it is refused (a private window), the page does without.
  navigator.serviceWorker?.register('sw.js').catch(() => {});
});
