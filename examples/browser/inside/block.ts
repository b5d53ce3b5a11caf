/** A block enlarged: narrow, wide, narrow; the channels of one of its layers, one channel, one value. */
import type { Client } from '../client.js';
import { draw, make } from '../dom.js';
import { grouped, percent, t } from '../i18n.js';
import type { Maps, Stage, Task } from '../protocol.js';
import { describeOperation } from './operation.js';
import { pictureOf } from './paint.js';
import { sourceOf } from './source.js';
import { ValueView } from './value.js';

const ACROSS = 8;

export class BlockView {
  readonly #client: Client;
  readonly #task: Task;
  readonly #picture: ImageBitmap;
  readonly #fail: (error: unknown) => void;
  /** Answers to an older question come too late. */
  #turn = 0;

  constructor(client: Client, task: Task, picture: ImageBitmap, fail: (error: unknown) => void) {
    this.#client = client;
    this.#task = task;
    this.#picture = picture;
    this.#fail = fail;
  }

  /** @param wanted the layer to open; the depthwise one, or the last, unless given */
  async show(
    body: HTMLElement,
    stage: Stage,
    wanted: string | undefined,
    chosen: (layer: string) => void,
  ): Promise<void> {
    const layers = make('div', { className: 'layers' });
    const under = make('div', { className: 'at-work' });
    const open = async (name: string) => {
      for (const button of layers.querySelectorAll('button')) {
        button.ariaPressed = String(button.dataset.layer === name);
      }
      await this.#open(under, name);
    };
    const widest = Math.max(stage.widths[0] ?? 1, ...stage.parts.map(({ channels }) => channels));
    layers.classList.toggle('shortcut', stage.shortcut);
    if (stage.shortcut) layers.append(make('span', { className: 'arc', text: t('inside.arc') }));
    if (stage.widths.length > 0) layers.append(slab(stage.widths[0], widest, t('inside.input')));
    for (const [n, name] of stage.layers.entries()) {
      const { operation, channels, goesOn } = stage.parts[n];
      const part = name.slice(stage.name.length + 1) || name;
      const does = slab(channels, widest, operationOf(part) || describeOperation(operation));
      const button = make('button', {}, does, make('span', { text: part }));
      button.dataset.layer = name;
      button.addEventListener('click', () => {
        chosen(name);
        open(name).catch(this.#fail);
      });
      const comesFrom = goesOn && layers.childElementCount > 0;
      layers.append(make('span', { className: 'arrow', text: comesFrom ? '→' : '' }), button);
    }
    body.replaceChildren(layers, under);
    const usual = stage.layers.find((name) => name.endsWith('conv_3x3')) ?? stage.output;
    await open(wanted ?? usual);
  }

  async #open(under: HTMLElement, layer: string): Promise<void> {
    const turn = ++this.#turn;
    const maps = await this.#client.maps(this.#task, layer, ACROSS);
    if (turn !== this.#turn) return maps.sheet.close();
    const shown = Math.min(maps.channels.length, maps.total);
    const sheet = make('canvas', { className: 'sheet' });
    draw(sheet, maps.sheet);
    const mark = make('span', { className: 'mark' });
    const facts = make('p', { className: 'quiet', text: factsOf(maps, shown) });
    const choose = make('div', { className: 'choose' }, sheet, mark);
    const map = make('canvas', { className: 'map' });
    const place = make('span', { className: 'mark' });
    const enlarged = make('div', { className: 'choose' }, map, place);
    const caption = make('p', { className: 'quiet' });
    const value = new ValueView(this.#picture, layer, maps.bright);
    under.replaceChildren(
      make('div', {}, make('h4', { text: t('inside.channels') }), choose, facts),
      make('div', {}, make('h4', { text: t('inside.channel') }), enlarged, caption),
      make('div', { className: 'value' }, make('h4', { text: t('inside.value') }), value.element, sourceOf(layer)),
    );
    const grid = new Grid(choose, sheet, mark, t('inside.channelsHint'));
    const cells = new Grid(enlarged, map, place, t('inside.channelHint'));
    let channel = maps.channels[0];
    const look = latest(async (y: number, x: number) => {
      const found = await this.#client.value(this.#task, layer, { channel, y, x });
      if (turn === this.#turn) value.show(found);
    }, this.#fail);
    const select = async (n: number) => {
      channel = maps.channels[n];
      const { values, width, height } = await this.#client.channel(this.#task, layer, channel);
      if (turn !== this.#turn) return;
      [map.width, map.height] = [width, height];
      map.getContext('2d')!.putImageData(pictureOf(values, width, maps.bright), 0, 0);
      caption.textContent =
        values.length === 1
          ? t('inside.singleValue', { channel })
          : t('inside.channelFacts', { channel, height, width });
      const most = telling(values, height, width);
      cells.set(height, width, (y, x) => look(y, x));
      cells.move(Math.floor(most / width), most % width);
    };
    const rows = Math.ceil(shown / ACROSS);
    grid.set(rows, ACROSS, (y, x) => {
      if (y * ACROSS + x < shown) select(y * ACROSS + x).catch(this.#fail);
    });
    grid.clicksOnly = true;
    grid.move(0, 0);
  }
}

/** A value's channels as the paper draws them: the more, the higher. */
function slab(width: number, widest: number, operation: string): HTMLSpanElement {
  const box = make('span', { className: 'slab' });
  box.style.height = `${Math.max(8, 100 * Math.sqrt(width / widest))}%`;
  const own = make('span', { className: 'slab-frame' }, box);
  return make(
    'span',
    { className: 'slab-box' },
    own,
    make('b', { text: grouped(width) }),
    make('small', { text: operation }),
  );
}

function operationOf(part: string): string {
  if (part === 'expand_1x1') return t('inside.expand');
  if (part === 'conv_3x3') return t('inside.depthwise');
  if (part === 'reduce_1x1') return t('inside.project');
  if (part === 'first_conv') return t('inside.firstConv');
  if (part === 'add') return t('inside.add');
  return '';
}

function factsOf({ total, height, width, zeros, operation, parameters, multiplyAdds, sees }: Maps, shown: number) {
  const facts = [
    describeOperation(operation),
    height * width === 1
      ? t('inside.singleValues', { shown, count: total })
      : t(shown < total ? 'inside.someMaps' : 'inside.allMaps', { shown, count: total, height, width }),
    t('inside.zeros', { share: percent(zeros) }),
  ];
  if (parameters > 0) facts.push(t('inside.parameters', { count: parameters }));
  if (multiplyAdds > 0) facts.push(t('inside.adds', { count: (multiplyAdds / 1e6).toFixed(2) }));
  if (sees !== null) facts.push(t('inside.sees', { size: sees }));
  return `${facts.join(' · ')}.`;
}

/** A value to begin with: the largest that is not at the border and not cut off by ReLU6; else the largest of all. */
function telling(values: Float32Array, height: number, width: number): number {
  let [best, largest] = [-1, 0];
  for (let at = 0; at < values.length; at++) {
    const [y, x] = [Math.floor(at / width), at % width];
    if (Math.abs(values[at]) > Math.abs(values[largest])) largest = at;
    if (y === 0 || x === 0 || y === height - 1 || x === width - 1 || values[at] >= 6) continue;
    if (best < 0 || values[at] > values[best]) best = at;
  }
  return best < 0 ? largest : best;
}

/** Only the newest call is waited for; those that come while one runs replace each other. */
function latest(work: (y: number, x: number) => Promise<void>, fail: (error: unknown) => void) {
  let [running, next]: [boolean, (() => Promise<void>) | undefined] = [false, undefined];
  return (y: number, x: number): void => {
    next = () => work(y, x);
    if (running) return;
    running = true;
    (async () => {
      for (; next !== undefined; ) {
        const now = next;
        next = undefined;
        await now();
      }
    })()
      .catch(fail)
      .finally(() => {
        running = false;
      });
  };
}

/** Cells of a canvas that are pointed at, touched, or gone through by arrow keys. */
class Grid {
  readonly #canvas: HTMLCanvasElement;
  readonly #mark: HTMLElement;
  #rows = 1;
  #columns = 1;
  #at: [y: number, x: number] = [0, 0];
  #listener: (y: number, x: number) => void = () => {};
  /** A pointer that moves chooses nothing; a click does. */
  clicksOnly = false;

  constructor(frame: HTMLElement, canvas: HTMLCanvasElement, mark: HTMLElement, label: string) {
    this.#canvas = canvas;
    this.#mark = mark;
    frame.tabIndex = 0;
    frame.role = 'application';
    frame.ariaLabel = label;
    const point = (event: PointerEvent) => {
      const { left, top, width, height } = canvas.getBoundingClientRect();
      const y = Math.floor(((event.clientY - top) / height) * this.#rows);
      const x = Math.floor(((event.clientX - left) / width) * this.#columns);
      this.move(y, x);
    };
    frame.addEventListener('pointermove', (event) => this.clicksOnly || point(event));
    frame.addEventListener('pointerdown', point);
    frame.addEventListener('keydown', (event) => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.move(this.#at[0] + step[0], this.#at[1] + step[1]);
    });
  }

  set(rows: number, columns: number, listener: (y: number, x: number) => void): void {
    [this.#rows, this.#columns, this.#listener] = [rows, columns, listener];
    this.#at = [-1, -1];
  }

  move(row: number, column: number): void {
    const y = Math.min(this.#rows - 1, Math.max(0, row));
    const x = Math.min(this.#columns - 1, Math.max(0, column));
    if (y === this.#at[0] && x === this.#at[1]) return;
    this.#at = [y, x];
    const share = (part: number, whole: number) => `${(100 * part) / whole}%`;
    Object.assign(this.#mark.style, {
      ...{ left: share(x, this.#columns), top: share(y, this.#rows) },
      ...{ width: share(1, this.#columns), height: share(1, this.#rows) },
    });
    this.#canvas.dataset.at = `${y},${x}`;
    this.#listener(y, x);
  }
}
