/** The page: pictures in, answers out. Everything that takes time is asked of the worker. */
import { everyFrame } from 'mobilenet-v2';
import { connect } from './client.js';
import { element, grouped, make, milliseconds, percent } from './dom.js';
import { Inside } from './inside.js';
import type { Look, ModelFiles, ModelInfo, Settings } from './protocol.js';
import { cover, describePicture, film, showFilm, showNothing, showPicture } from './stage.js';

const TOP = 5;

const client = connect(new Worker('worker.js', { type: 'module' }));
const inside = new Inside(client, fail);
const headline = element('headline', HTMLParagraphElement);
const labels = element('labels', HTMLOListElement);
const legend = element('legend', HTMLUListElement);
const why = element('why', HTMLSelectElement);
const whyRow = element('why-row', HTMLDivElement);
const threads = element('threads', HTMLSelectElement);
/** The models that come with the page. */
const shipped = [...document.querySelectorAll<HTMLButtonElement>('button[data-model]')];
const camera = element('camera', HTMLButtonElement);
const status = element('status', HTMLParagraphElement);
const ms = element('ms', HTMLElement);
const msNote = element('ms-note', HTMLSpanElement);

let info: ModelInfo | undefined;
/** Kept while an engine without threads is on. */
let wantedThreads: Settings['threads'] = 'auto';
/** What is shown: a file, or frames of a film. */
let picture: Blob | undefined;
let filming: AbortController | undefined;
/** The class whose map is shown. */
let explained: number | null = null;
/** How many things that someone asked for are being done. */
let acting = 0;
/** Answers to an older question come too late. */
let turn = 0;

function fail(error: unknown): void {
  status.textContent = error instanceof Error ? error.message : String(error);
}

/** Runs what someone asked for, and says so if it fails. */
function act(action: () => Promise<unknown>): void {
  status.textContent = '';
  acting++;
  document.body.ariaBusy = 'true';
  action()
    .catch(fail)
    .finally(() => {
      document.body.ariaBusy = String(--acting > 0);
    });
}

// Models and engines

function settings(): Settings {
  const device = document.querySelector<HTMLInputElement>('input[name=device]:checked')!.value as Settings['device'];
  return { device, threads: wantedThreads };
}

async function loadModel(model: string | ModelFiles): Promise<void> {
  status.textContent = 'Loading the model…';
  describeModel(await client.load(model, settings()));
  for (const button of shipped) button.ariaPressed = String(button.dataset.model === model);
  status.textContent = '';
  explained = null;
  await lookAgain();
}

function describeModel(next: ModelInfo): void {
  info = next;
  const { name, task, labels: names, parameters, multiplyAdds, height, width, engine, numbers, random } = next;
  const what = task === 'image-segmentation' ? 'segments' : 'classifies';
  element('model', HTMLParagraphElement).textContent =
    `${name}: ${what} ${names.length} classes at ${width} × ${height}, ${grouped(parameters)} parameters, ` +
    `${(multiplyAdds / 1e6).toFixed(0)} M multiply-adds in ${numbers}.${random > 0 ? ' Some weights were missing and are random.' : ''}`;
  why.replaceChildren(new Option('…', ''), ...names.map((label, id) => new Option(label, String(id))));
  // An engine that is not to be had here was replaced by another.
  element(engine, HTMLInputElement).checked = true;
  const counts = Array.from({ length: Math.min(next.mostThreads, 8) }, (_, i) => String(i + 1));
  threads.replaceChildren(...counts.map((count) => new Option(count, count)));
  threads.value = String(next.threads);
  threads.disabled = engine !== 'wasm' || counts.length === 1;
  threads.title = crossOriginIsolated ? '' : 'This page may not share memory among threads; see the README.';
}

threads.addEventListener('change', () => {
  wantedThreads = Number(threads.value);
});
for (const control of [...document.querySelectorAll<HTMLElement>('input[name=device]'), threads]) {
  control.addEventListener('change', () =>
    act(async () => {
      describeModel(await client.configure(settings()));
      await lookAgain();
    }),
  );
}

// Pictures

async function lookAt(next: Blob): Promise<void> {
  stopFilming();
  picture = next;
  explained = null;
  cover(null);
  showPicture(next);
  await lookAgain();
}

async function lookAgain(): Promise<void> {
  if (picture === undefined || info === undefined) return;
  const own = ++turn;
  let look: Look;
  try {
    look = await client.look(picture);
  } catch (error) {
    if (own === turn) forget();
    throw error;
  }
  if (own !== turn) return;
  present(look);
  if (explained !== null) await explain(explained);
  const { ms: median, passes } = await client.measure();
  if (own !== turn) return;
  tellTime(
    median,
    `through the network, the middle of ${passes} ${passes === 1 ? 'pass' : 'passes'}; ${fromFile(look)}`,
  );
  await inside.refresh();
}

const fromFile = ({ prepareMs }: Look) => `${milliseconds(prepareMs)} from file to pixels`;

function forget(): void {
  picture = undefined;
  showNothing();
  headline.textContent = 'No picture yet.';
  headline.className = 'quiet';
  labels.replaceChildren();
  legend.replaceChildren();
  whyRow.hidden = true;
  inside.clear();
}

function present(look: Look): void {
  const best = look.labels[0]?.label ?? summaryOf(look.segments);
  headline.className = '';
  if (headline.textContent !== best) headline.textContent = best; // said once by a screen reader
  describePicture(`The picture that was looked at: ${best}`);
  labels.replaceChildren(...look.labels.slice(0, TOP).map(labelItem));
  legend.replaceChildren(
    ...look.segments.map(({ label, colour, share }) => {
      const swatch = make('span', { className: 'swatch' });
      swatch.style.background = `rgb(${colour.join(' ')})`;
      return make('li', {}, swatch, document.createTextNode(`${label} ${percent(share)}`));
    }),
  );
  whyRow.hidden = look.labels.length === 0;
  if (look.overlay !== null || explained === null) cover(look.overlay);
  tellTime(look.networkMs, `through the network; ${fromFile(look)}`);
}

/** The classes worth a headline. */
function summaryOf(segments: Look['segments']): string {
  const things = segments.filter(({ label, share }) => label !== 'background' && share >= 0.01);
  return (things.length > 0 ? things : segments.slice(0, 1)).map(({ label }) => label).join(', ');
}

function labelItem({ id, label, score }: Look['labels'][number]): HTMLLIElement {
  const bar = make('span', { className: 'bar' });
  bar.style.width = `${100 * score}%`;
  const button = make('button', {}, bar, make('span', { text: label }), make('span', { text: percent(score) }));
  button.type = 'button';
  button.dataset.id = String(id);
  button.ariaPressed = String(id === explained);
  button.addEventListener('click', () => act(() => explain(explained === id ? null : id)));
  return make('li', {}, button);
}

function tellTime(time: number, note: string): void {
  ms.textContent = milliseconds(time);
  msNote.textContent = note;
}

// Why

async function explain(id: number | null): Promise<void> {
  explained = id;
  why.value = id === null ? '' : String(id);
  for (const button of labels.querySelectorAll('button')) button.ariaPressed = String(button.dataset.id === why.value);
  const note = element('why-note', HTMLSpanElement);
  if (id === null) {
    cover(null);
    note.textContent = 'Press a label to see which places speak for it.';
    return;
  }
  const own = turn;
  const { label, score, heatmap } = await client.explain(id);
  if (own !== turn || explained !== id) return heatmap.close();
  cover(heatmap, true);
  note.textContent = `Coloured is what speaks for ${label} (${percent(score)}); the brighter, the more.`;
}

why.addEventListener('change', () => act(() => explain(why.value === '' ? null : Number(why.value))));

// Film

camera.addEventListener('click', () => act(filming === undefined ? startFilming : async () => stopFilming()));

async function startFilming(): Promise<void> {
  if (navigator.mediaDevices === undefined) throw new Error('A camera needs https, or a page on localhost.');
  camera.disabled = true; // while the browser asks
  const asked = navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
  const stream = await asked.finally(() => {
    camera.disabled = false;
  });
  filming = new AbortController();
  const { signal } = filming;
  signal.addEventListener('abort', () => {
    for (const track of stream.getTracks()) track.stop();
    film.srcObject = null;
  });
  camera.ariaPressed = 'true';
  picture = undefined;
  explained = null;
  inside.clear();
  cover(null);
  film.srcObject = stream;
  await film.play();
  showFilm();
  // Not awaited: it goes on until it is stopped.
  everyFrame(film, lookAtFrame, { signal }).catch((error) => {
    stopFilming();
    fail(error);
  });
}

async function lookAtFrame(frame: ImageBitmap): Promise<void> {
  const own = ++turn;
  const look = await client.look(frame);
  if (own !== turn) return;
  present(look);
  if (explained !== null) await explain(explained);
}

function stopFilming(): void {
  if (filming === undefined) return;
  filming.abort();
  filming = undefined;
  turn++;
  camera.ariaPressed = 'false';
  forget();
}

// Where pictures and models come from

const choose = (button: string, input: string, take: (files: FileList) => Promise<unknown>) => {
  const field = element(input, HTMLInputElement);
  element(button, HTMLButtonElement).addEventListener('click', () => field.click());
  field.addEventListener('change', () => {
    const { files } = field;
    if (files !== null && files.length > 0) act(() => take(files).finally(() => (field.value = '')));
  });
};
const asModel = (files: FileList) =>
  loadModel([...files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
choose('choose', 'file', ([file]) => lookAt(file));
choose('own', 'model-files', asModel);
choose('own-folder', 'model-folder', asModel);
for (const button of shipped) button.addEventListener('click', () => act(() => loadModel(button.dataset.model!)));

for (const sample of document.querySelectorAll<HTMLButtonElement>('.sample')) {
  sample.addEventListener('click', () =>
    act(async () => lookAt(await (await fetch(`samples/${sample.dataset.file}`)).blob())),
  );
}

document.addEventListener('paste', ({ clipboardData }) => {
  const file = [...(clipboardData?.files ?? [])].find(({ type }) => type.startsWith('image/'));
  if (file !== undefined) act(() => lookAt(file));
});

document.addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('dropping');
});
document.addEventListener('dragleave', () => document.body.classList.remove('dropping'));
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('dropping');
  if (event.dataTransfer !== null) act(() => take(droppedFiles(event.dataTransfer!)));
});

type Dropped = ModelFiles[number];

/** A picture, or what makes up a model. */
async function take(dropping: Promise<Dropped[]>): Promise<void> {
  const files = await dropping;
  if (files.some(({ path }) => /\.(safetensors|bin)$|(^|\/)config\.json$/.test(path))) return loadModel(files);
  const [first] = files;
  if (first === undefined) throw new Error('There is no file in that.');
  await lookAt(first.file);
}

/** Entries have to be asked for at once, before the event is over; folders are read then. */
function droppedFiles(transfer: DataTransfer): Promise<Dropped[]> {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.every((entry) => entry === null)) {
    return Promise.resolve([...transfer.files].map((file) => ({ path: file.name, file })));
  }
  return Promise.all(entries.filter((entry) => entry !== null).map(filesIn)).then((lists) => lists.flat());
}

async function filesIn(entry: FileSystemEntry): Promise<Dropped[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject));
    return [{ path: entry.fullPath.replace(/^\//, ''), file }];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Dropped[] = [];
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) return found;
    found.push(...(await Promise.all(some.map(filesIn))).flat());
  }
}

act(() => loadModel(shipped[0].dataset.model!));
// For the next visit, without a network too. Where it is refused (a private window), the page does without.
navigator.serviceWorker?.register('sw.js').catch(() => {});
