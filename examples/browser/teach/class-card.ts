/** One class that is taught: its name, its pictures, and the ways to add some. */
import { listenToFiles, make } from '../dom.js';
import { t } from '../i18n.js';
import { type Example, exampleOf, frameOfCamera } from './pictures.js';

/** Milliseconds between two frames while the button is held. */
const FRAME_MS = 150;

export interface CardOptions {
  number: number;
  /** Runs what a visitor asked for, and says so if it fails. */
  act(action: () => Promise<unknown>): void;
  /** Starts the camera, unless it is on. */
  startCamera(): Promise<void>;
  /** Pictures or the name are others now. */
  changed(): void;
  remove(card: ClassCard): void;
}

export class ClassCard {
  readonly root: HTMLLIElement;
  readonly examples: Example[] = [];
  readonly #options: CardOptions;
  readonly #name = make('input', { className: 'class-name' });
  readonly #count = make('span', { className: 'quiet' });
  readonly #thumbs = make('ul', { className: 'class-pictures' });
  readonly #file = make('input');
  readonly #add = make('button');
  readonly #hold = make('button', { className: 'hold' });
  readonly #remove = make('button', { className: 'plain', text: '×' });
  #held = false;
  #recordings = 0;

  constructor(options: CardOptions) {
    this.#options = options;
    Object.assign(this.#file, { type: 'file', accept: 'image/*', multiple: true, hidden: true });
    Object.assign(this.#name, { type: 'text', maxLength: 60, autocomplete: 'off', spellcheck: false });
    const head = make('div', { className: 'class-head' }, this.#name, this.#count, this.#remove);
    const ways = make('div', { className: 'row' }, this.#add, this.#hold, this.#file);
    this.root = make('li', { className: 'class-card' }, head, this.#thumbs, ways);
    this.#listen();
    this.write();
  }

  /** What the visitor called it, or its number. */
  get name(): string {
    return this.#name.value.trim() || this.#name.placeholder;
  }

  set name(name: string) {
    this.#name.value = name;
    this.write();
  }

  get named(): boolean {
    return this.#name.value.trim() !== '';
  }

  /** How many pictures it has, in words. */
  get counted(): string {
    const { length } = this.examples;
    return t('teach.count', { count: length });
  }

  /** Adds those that can be read. @returns how many cannot */
  async add(files: readonly Blob[]): Promise<number> {
    let unread = 0;
    for (const file of files) {
      const example = await exampleOf(file).catch(() => null);
      if (example === null) unread++;
      else this.#take(example);
    }
    return unread;
  }

  /** Texts, in the language of now. */
  write(): void {
    this.#name.placeholder = t('teach.class', { number: this.#options.number });
    this.#name.ariaLabel = t('teach.name');
    const { name } = this;
    this.#count.textContent = this.counted;
    this.#add.textContent = t('teach.add');
    this.#add.ariaLabel = `${t('teach.add')} ${name}`; // it begins with what is seen, for those who say what they press
    this.#add.title = t('teach.addTo', { name });
    this.#hold.textContent = t('teach.hold');
    this.#hold.ariaLabel = `${t('teach.hold')}: ${name}`;
    this.#hold.title = t('teach.holdFor', { name });
    this.#remove.ariaLabel = t('teach.removeClass', { name });
  }

  /** No more frames are taken. */
  release(): void {
    this.#held = false;
  }

  #listen(): void {
    const { act, changed, remove } = this.#options;
    this.#name.addEventListener('input', () => {
      this.write();
      changed();
    });
    this.#remove.addEventListener('click', () => remove(this));
    listenToFiles(this.#add, this.#file, (files) =>
      act(async () => {
        const unread = await this.add(files);
        if (unread > 0) throw new Error(t('teach.error.unread', { count: unread }));
      }),
    );
    this.#hold.addEventListener('pointerdown', (event) => {
      if (event.button !== 0) return;
      this.#hold.setPointerCapture(event.pointerId);
      act(() => this.#whileHeld());
    });
    for (const type of ['pointerup', 'pointercancel', 'lostpointercapture'] as const) {
      this.#hold.addEventListener(type, () => this.release());
    }
    this.#hold.addEventListener('contextmenu', (event) => event.preventDefault()); // a long touch opens no menu
    // By a key: one frame each time.
    this.#hold.addEventListener('click', ({ detail }) => {
      if (detail === 0) act(() => this.#frame());
    });
  }

  async #whileHeld(): Promise<void> {
    this.#held = true;
    this.#recordings++;
    await this.#options.startCamera();
    while (this.#held && this.root.isConnected) {
      await this.#frame();
      await new Promise((resolve) => setTimeout(resolve, FRAME_MS));
    }
  }

  async #frame(): Promise<void> {
    await this.#options.startCamera();
    const example = await frameOfCamera(`${this.#options.number}.${this.#recordings}`);
    if (example !== null) this.#take(example);
  }

  #take(example: Example): void {
    this.examples.push(example);
    const picture = make('button', { className: 'plain' }, example.thumb);
    picture.ariaLabel = t('teach.removePicture');
    picture.title = picture.ariaLabel;
    const item = make('li', {}, picture);
    picture.addEventListener('click', () => {
      this.examples.splice(this.examples.indexOf(example), 1);
      const next = item.nextElementSibling ?? item.previousElementSibling;
      item.remove();
      (next?.querySelector('button') ?? this.#add).focus();
      this.#changed();
    });
    this.#thumbs.append(item);
    this.#thumbs.scrollTop = this.#thumbs.scrollHeight;
    this.#changed();
  }

  #changed(): void {
    this.write();
    this.#options.changed();
  }
}
