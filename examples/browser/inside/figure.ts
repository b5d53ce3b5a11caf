/**
 * The network as one figure: all stages in a row with what each made of the picture, and the one that is chosen enlarged
 * below, down to a single value and the sum that made it. It is drawn when it comes into sight.
 */
import type { Client } from '../client.js';
import { element, make, squareOf } from '../dom.js';
import { grouped, type Key, milliseconds, t, tenths } from '../i18n.js';
import type { Figure, Label, Stage, Task } from '../protocol.js';
import { readState, writeState } from '../state.js';
import type { BlockView } from './block.js';
import { stageOf } from './stages.js';

const section = element('inside', HTMLElement);
const strip = element('strip', HTMLOListElement);
const zoom = element('zoom', HTMLDivElement);
const note = element('inside-note', HTMLParagraphElement);
/** Edge of a stage's picture, in pixels of the page. */
const TILE = 56;
/** The stage that is open at first: the first one with a shortcut. */
const FIRST = 'layer.1';

export interface InsideOptions {
  client: Client;
  task(): Task | null;
  /** The label that the end of the figure explains. */
  explained(): Label | undefined;
  fail(error: unknown): void;
}

export class Inside {
  readonly #options: InsideOptions;
  #block: BlockView | undefined;
  #picture: ImageBitmap | undefined;
  #chosen = FIRST;
  /** Which picture and network the figure is about; one that took too long is of no use. */
  #turn = 0;
  #seen = false;
  #stale = true;

  constructor(options: InsideOptions) {
    this.#options = options;
    const { layer = '' } = readState();
    if (layer !== '') this.#chosen = stageOf(layer);
    new IntersectionObserver((entries) => {
      this.#seen = entries.some(({ isIntersecting }) => isIntersecting);
      if (this.#seen && this.#stale) this.#draw().catch(options.fail);
    }).observe(section);
  }

  /** There is another picture, network or engine. */
  async refresh(): Promise<void> {
    if (!this.#seen) this.clear(); // nobody may take the last picture's figure for this one's
    this.#stale = true;
    if (this.#seen) await this.#draw();
  }

  /** The camera is on: its pictures go by too fast to be looked into. */
  pause(): void {
    this.clear();
    note.textContent = t('inside.camera');
  }

  /** There is nothing to look into. */
  clear(): void {
    this.#turn++;
    this.#stale = false;
    strip.replaceChildren();
    zoom.replaceChildren();
    note.textContent = '';
  }

  async #draw(): Promise<void> {
    const task = this.#options.task();
    if (task === null) return;
    const turn = ++this.#turn;
    this.#stale = false;
    // What looks inside is loaded when somebody looks.
    const asked = Promise.all([this.#options.client.figure(task), import('./block.js')]);
    const [figure, { BlockView }] = await asked.catch((error) => {
      this.#stale = true;
      throw error;
    });
    if (turn !== this.#turn) return;
    this.#picture?.close();
    this.#picture = figure.picture;
    this.#block = new BlockView(this.#options.client, task, figure.picture, this.#options.fail);
    await this.#show(figure);
  }

  async #show({ stages, thumbs, picture }: Figure): Promise<void> {
    const times = stages.map(({ ms }) => tenths(ms));
    const total = times.reduce((sum, ms) => sum + ms, 0);
    note.textContent = t('inside.note', { count: stages.length, time: milliseconds(total) });
    const widest = Math.max(...stages.map(({ widths, dims }) => Math.max(...widths, dims[0])));
    strip.replaceChildren(given(picture), ...stages.map((stage, n) => this.#item(stage, n, times[n], widest, thumbs)));
    thumbs.close();
    const [most] = stages.filter(({ name }) => name === this.#chosen);
    await this.#choose(most ?? stages.find(({ name }) => name === FIRST) ?? stages[0], false);
  }

  #item(stage: Stage, n: number, ms: number, widest: number, thumbs: ImageBitmap): HTMLLIElement {
    const shape = make('span', { className: 'glyph' });
    for (const width of stage.widths.length > 1 ? stage.widths : [stage.dims[0]]) {
      const bar = make('span');
      // By the square root: 16 channels and 1280 are in one row.
      bar.style.height = `${100 * Math.sqrt(width / widest)}%`;
      shape.append(bar);
    }
    shape.classList.toggle('shortcut', stage.shortcut);
    const button = make('button', {}, squareOf(thumbs, n), shape, make('span', { text: shortName(stage.name) }));
    button.dataset.stage = stage.name;
    button.title = `${stage.name}: ${stage.dims.join(' × ')}, ${milliseconds(ms)}`;
    button.ariaLabel = t('inside.stage', {
      name: `${shortName(stage.name)} (${stage.name})`,
      shape: stage.dims.join(' × '),
    });
    button.style.setProperty('--n', String(n));
    button.addEventListener('click', () => this.#choose(stage, true).catch(this.#options.fail));
    return make('li', {}, button);
  }

  async #choose(stage: Stage, asked: boolean): Promise<void> {
    const { layer = '' } = readState();
    const wanted = stage.layers.includes(layer) ? layer : undefined;
    this.#chosen = stage.name;
    for (const button of strip.querySelectorAll('button')) {
      button.ariaPressed = String(button.dataset.stage === stage.name);
      if (asked && button.dataset.stage === stage.name) button.scrollIntoView({ block: 'nearest', inline: 'center' });
    }
    if (asked) writeState({ layer: stage.name });
    const code = make('code', { text: stage.name });
    code.dir = 'ltr';
    const title = make('h3', { text: `${longName(stage.name)} ` }, code);
    const facts = make('p', { className: 'quiet', text: titleOf(stage) });
    const head = make('div', { className: 'zoom-head' }, title, facts);
    const body = make('div', { className: 'zoom-body' });
    zoom.replaceChildren(head, body);
    const [task, label] = [this.#options.task(), this.#options.explained()];
    if (stage.name === 'classifier' && label !== undefined && (task === 'what' || task === 'taught')) {
      const asked = Promise.all([this.#options.client.evidence(task, label.id), import('./evidence.js')]);
      const [evidence, { showEvidence }] = await asked;
      if (this.#chosen === stage.name) showEvidence(body, evidence, label);
    } else {
      await this.#block!.show(body, stage, wanted, (layer) => writeState({ layer }));
    }
  }
}

/** What the network was given, before its first stage. */
function given(picture: ImageBitmap): HTMLLIElement {
  const small = make('canvas');
  small.width = small.height = 2 * TILE;
  const scale = small.width / Math.max(picture.width, picture.height);
  small.getContext('2d')!.drawImage(picture, 0, 0, picture.width * scale, picture.height * scale);
  return make('li', { className: 'given' }, small, make('span', { text: t('inside.input') }));
}

const NAMES: Record<string, Key> = {
  conv_stem: 'stage.stem',
  pooler: 'stage.pooler',
  classifier: 'stage.classifier',
  segmentation_head: 'stage.head',
};

/** In the row there is room for little. */
function shortName(name: string): string {
  if (Object.hasOwn(NAMES, name)) return t(NAMES[name]);
  return name === 'conv_1x1' ? '1×1' : name.replace(/^layer\./, '');
}

function longName(name: string): string {
  const [, number] = /^layer\.(\d+)$/.exec(name) ?? [];
  return number === undefined ? shortName(name) : t('stage.block', { number });
}

function titleOf({ name, widths, stride, shortcut, dims }: Stage): string {
  const shape = { from: widths[0] ?? dims[0], wide: Math.max(...widths, 0), to: dims[0], widths: widths.join(' → ') };
  if (name === 'conv_stem') return t('inside.stem', shape);
  if (name === 'conv_1x1') return t('inside.last', shape);
  if (name === 'pooler') return t('inside.pooler', { channels: grouped(dims[0]) });
  if (name === 'classifier') return t('inside.classifier', { classes: grouped(dims[0]) });
  if (!/^layer\.\d+$/.test(name)) return t('inside.head', shape);
  const block = t(stride === 2 ? 'inside.blockHalves' : 'inside.block', shape);
  return shortcut ? `${block} ${t('inside.shortcut')}` : block;
}
