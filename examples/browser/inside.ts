/** Every layer of the network in order: its shape, its time, and, once opened, its activations. */
import type { Client } from './client.js';
import { element, grouped, make, milliseconds } from './dom.js';
import type { LayerRow } from './protocol.js';

const list = element('inside', HTMLDivElement);
const button = element('inside-open', HTMLButtonElement);
const note = element('inside-note', HTMLSpanElement);

export class Inside {
  readonly #client: Client;
  readonly #fail: (error: unknown) => void;
  /** Which picture and model the list is about; a list that took too long is of no use. */
  #turn = 0;

  constructor(client: Client, fail: (error: unknown) => void) {
    this.#client = client;
    this.#fail = fail;
    button.addEventListener('click', () => this.#toggle());
  }

  get open(): boolean {
    return button.getAttribute('aria-expanded') === 'true';
  }

  /** There is another picture, model or engine. Layers that are open stay open. */
  async refresh(): Promise<void> {
    if (!this.open) return;
    const turn = ++this.#turn;
    note.textContent = 'Timing the layers…';
    const rows = await this.#client.layers();
    if (turn !== this.#turn || !this.open) return;
    const opened = new Set([...list.querySelectorAll<HTMLElement>('.layer[open]')].map(({ dataset }) => dataset.name));
    const total = rows.reduce((sum, { ms }) => sum + (ms ?? 0), 0);
    note.textContent = `${rows.length} layers, ${milliseconds(total)}`;
    list.replaceChildren(...blocksOf(rows).map((block) => this.#block(block, widestOf(rows), opened)));
  }

  /** Nothing to look into: a film, or no picture. */
  clear(): void {
    this.#turn++;
    list.replaceChildren();
    note.textContent = '';
  }

  #toggle(): void {
    const open = !this.open;
    button.setAttribute('aria-expanded', String(open));
    button.textContent = open ? 'Close' : 'Look inside';
    list.hidden = !open;
    if (open) this.refresh().catch(this.#fail);
    else this.clear();
  }

  #block(rows: readonly LayerRow[], widest: number, opened: ReadonlySet<string | undefined>): HTMLElement {
    const [first] = rows;
    const box = make('article', { className: 'block' });
    box.classList.toggle(
      'residual',
      rows.some(({ op }) => op === 'add'),
    );
    const times = rows.map(({ ms }) => ms).filter((ms) => ms !== null);
    const time = times.length === 0 ? '' : ` · ${milliseconds(times.reduce((sum, ms) => sum + ms, 0))}`;
    box.append(
      make('h3', { text: first.block }, make('span', { className: 'quiet', text: ` ${titleOf(rows)}${time}` })),
    );
    box.append(...rows.map((row) => this.#layer(row, widest, opened.has(row.name))));
    return box;
  }

  #layer(row: LayerRow, widest: number, open: boolean): HTMLElement {
    const { name, block, dims, ms, within, op, description } = row;
    const channels = make('span', { className: 'channels' }, make('span', { className: 'width' }));
    channels.classList.toggle('depthwise', description.startsWith('depthwise'));
    const bar = channels.firstChild as HTMLElement;
    // By the square root: 16 channels and 1280 are on one page.
    bar.style.width = `${100 * Math.sqrt((dims?.[1] ?? 0) / widest)}%`;
    const time = ms === null ? (within === null ? '' : 'in one step') : milliseconds(ms);
    const summary = make(
      'summary',
      {},
      make('span', { className: 'name', text: name === block ? op.replace('_', ' ') : name.slice(block.length + 1) }),
      channels,
      make('span', { className: 'shape', text: dims === null ? 'not used' : shapeOf(dims) }),
      make('span', { className: 'ms', text: time }),
    );
    const content = make('div', { className: 'tiles' });
    const details = make('details', { className: 'layer' }, summary, content);
    details.dataset.name = name;
    details.addEventListener('toggle', () => {
      if (details.open && content.childElementCount === 0) this.#fill(content, row).catch(this.#fail);
    });
    details.open = open;
    return details;
  }

  async #fill(content: HTMLElement, row: LayerRow): Promise<void> {
    content.append(make('p', { className: 'quiet', text: factsOf(row) }));
    if (row.dims === null) return;
    const { bitmap, channels, height, width, least, most, zeros } = await this.#client.tiles(row.name);
    const canvas = make('canvas');
    canvas.width = bitmap.width;
    canvas.height = bitmap.height;
    canvas.getContext('bitmaprenderer')!.transferFromImageBitmap(bitmap);
    canvas.role = 'img';
    const range = `from ${least.toFixed(2)} to ${most.toFixed(2)}, ${(100 * zeros).toFixed(0)} % zero`;
    canvas.ariaLabel = `${channels} maps of ${height} by ${width} values, ${range}`;
    const note = `${grouped(channels)} maps, ${height}×${width} values each, ${range}.`;
    content.append(make('p', { className: 'quiet', text: note }), canvas);
  }
}

const widestOf = (rows: readonly LayerRow[]): number => Math.max(...rows.map(({ dims }) => dims?.[1] ?? 0), 1);

/** `32×80×80`, channels first, as the paper's and Hugging Face's tensors have it. */
const shapeOf = ([, channels, ...size]: number[]): string => [channels, ...size].join(' × ');

function blocksOf(rows: readonly LayerRow[]): LayerRow[][] {
  const blocks: LayerRow[][] = [];
  for (const row of rows) {
    const last = blocks.at(-1);
    if (last?.[0].block === row.block) last.push(row);
    else blocks.push([row]);
  }
  return blocks;
}

/** `inverted residual, 24 → 144 → 24` */
function titleOf(rows: readonly LayerRow[]): string {
  const [first] = rows;
  if (first.block === 'conv_stem') return 'the first convolution, and a block that need not expand';
  if (first.block === 'segmentation_head') return 'the head of DeepLabV3+';
  if (!/^layer\.\d+$/.test(first.block)) return first.block === first.name ? first.description : '';
  const widths = rows.filter(({ op }) => op === 'convolution').map(({ dims }) => dims?.[1]);
  const stride = /stride 2/.test(rows.map(({ description }) => description).join()) ? ', stride 2' : '';
  const shortcut = rows.some(({ op }) => op === 'add') ? ', with a shortcut' : '';
  return `inverted residual to ${widths.join(' → ')} channels${stride}${shortcut}`;
}

function factsOf({ description, parameters, multiplyAdds, sees, within }: LayerRow): string {
  const facts = [description];
  if (parameters > 0) facts.push(`${grouped(parameters)} parameters`);
  if (multiplyAdds > 0) facts.push(`${(multiplyAdds / 1e6).toFixed(2)} M multiply-adds`);
  if (sees !== null) facts.push(`a value sees ${sees} × ${sees} pixels`);
  if (within !== null) facts.push(`computed in one step with ${within}`);
  return `${facts.join(' · ')}.`;
}
