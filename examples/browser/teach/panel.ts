/** The panel that teaches: classes, the training, what came of it, and the answers of the taught network. */
import type { PageProgress, PageTrainingResult } from 'mobilenet-v2/train';
import { element, listenToFiles, make } from '../dom.js';
import { percent, t, write } from '../i18n.js';
import { edgeFor, type Shell } from '../modes/mode.js';
import type { Kept, Label, ModelFiles, What } from '../protocol.js';
import { answerIs, cover } from '../stage.js';
import { ClassCard } from './class-card.js';
import { Curve } from './curve.js';
import { KeptRow } from './kept-row.js';
import type { Example } from './pictures.js';
import { confusionTable } from './table.js';
import { type Lesson, Teacher } from './training.js';

const MOST_CLASSES = 8;
/** One to learn from, and one to be kept aside. */
const LEAST_PICTURES = 2;
const PICTURE = /\.(png|jpe?g|webp|gif|avif|bmp|svg)$/i;

const headline = element('headline', HTMLHeadingElement);

export class TeachPanel {
  readonly #shell: Shell;
  readonly #teacher = new Teacher();
  readonly #curve = new Curve();
  readonly #cards: ClassCard[] = [];
  /** Numbers of classes are not used again, so that two are never called the same. */
  #numbers = 0;
  readonly #answerList = make('ol', { className: 'answers' });
  readonly #list = make('ol', { className: 'class-list' });
  readonly #more = button('teach.addClass');
  readonly #folders = button('teach.folders');
  readonly #folderInput = make('input');
  readonly #train = button('teach.train', 'main');
  readonly #stop = button('teach.stop');
  readonly #keptRow: KeptRow;
  readonly #progress = make('progress');
  readonly #note = make('p', { className: 'quiet' });
  readonly #outcome = make('div', { className: 'outcome' });
  #writeNote = () => '';
  /** As the cards have it, until they are changed. */
  #lesson: Lesson | undefined;
  /** The network that was taught, now or at an earlier visit. */
  #kept: Kept | null = null;
  /** Is it what the page answers with? */
  answers = false;
  /** What it takes the picture for. */
  explained: Label | undefined;
  /** Was it taught with what the cards have, or had? */
  #wasTaught = false;
  #isOld = false;

  constructor(shell: Shell) {
    this.#shell = shell;
    Object.assign(this.#folderInput, { type: 'file', webkitdirectory: true, hidden: true });
    const { act, client } = shell;
    this.#keptRow = new KeptRow({
      tryIt: () => act(() => this.#tryKept()),
      useIt: () => act(() => shell.adoptKept()),
      download: () => act(() => this.#teacher.download()),
      remove: () => act(() => this.#removeKept()),
    });
    const root = element('panel-teach', HTMLDivElement);
    root.replaceChildren(
      said('teach.intro'),
      this.#answerList,
      this.#keptRow.root,
      this.#list,
      make('div', { className: 'row' }, this.#more, this.#folders, this.#folderInput),
      said('teach.foldersHint'),
      make('div', { className: 'row' }, this.#train, this.#stop),
      this.#progress,
      this.#note,
      this.#curve.root,
      this.#outcome,
    );
    this.#note.setAttribute('role', 'status');
    this.#listen();
    this.#addCard();
    this.#addCard();
    write(root);
    this.#update();
    act(async () => {
      this.#kept ??= await client.kept();
      this.#update();
    });
  }

  /** What becomes of files that are dropped here. */
  dropText(on: Element | null): string {
    const card = this.#cards.find(({ root }) => root.contains(on));
    for (const each of this.#cards) each.root.classList.toggle('under', each === card);
    return card === undefined ? t('teach.dropHere') : t('teach.addTo', { name: card.name });
  }

  /** @returns whether the files were for a class */
  async drop(files: ModelFiles, on: Element | null): Promise<boolean> {
    const pictures = files.filter(({ path, file }) => file.type.startsWith('image/') || PICTURE.test(path));
    if (pictures.length === 0) throw new Error(t('teach.error.nothing'));
    const card = this.#cards.find(({ root }) => root.contains(on));
    card?.root.classList.remove('under');
    const inFolders = pictures.filter(({ path }) => path.includes('/'));
    if (card === undefined && inFolders.length === 0 && pictures.length === 1) return false;
    const groups = new Map<ClassCard | string, File[]>();
    for (const { path, file } of pictures) {
      const to = card ?? path.split('/').at(-2) ?? '';
      groups.set(to, [...(groups.get(to) ?? []), file]);
    }
    this.#checkRoom([...groups.keys()].filter((to) => typeof to === 'string' && this.#called(to) === undefined).length);
    let unread = 0;
    for (const [to, some] of groups) unread += await (typeof to === 'string' ? this.#cardFor(to) : to).add(some);
    if (unread > 0) throw new Error(t('teach.error.unread', { count: unread }));
    return true;
  }

  /** No frame is added any more. */
  release(): void {
    for (const card of this.#cards) card.release();
  }

  /** Answers the picture, once there is a network that was taught. */
  async look(stale: () => boolean, live: boolean): Promise<What | null> {
    this.#update();
    if (!this.answers) return null;
    const answer = await this.#shell.client.what(null, { edge: edgeFor(live) }, 'taught');
    if (stale()) {
      answer.glow?.close();
      return null;
    }
    const [best] = answer.labels;
    this.explained = answer.explained;
    if (headline.textContent !== best!.label) headline.textContent = best!.label;
    this.#answerList.ariaLabel = t('teach.answers');
    this.#answerList.replaceChildren(...answer.labels.map(answerRow));
    answerIs(best!.label, percent(best!.score));
    cover(answer.glow);
    return answer;
  }

  #listen(): void {
    const { act } = this.#shell;
    this.#more.addEventListener('click', () =>
      act(async () => {
        this.#checkRoom(1);
        this.#addCard().root.querySelector('input')?.focus();
      }),
    );
    listenToFiles(this.#folders, this.#folderInput, (files) =>
      act(() =>
        this.drop(
          files.map((file) => ({ path: file.webkitRelativePath, file })),
          null,
        ),
      ),
    );
    this.#train.addEventListener('click', () => act(() => this.#learn()));
    this.#stop.addEventListener('click', () => this.#teacher.stop());
    // The browser asks whether to leave.
    addEventListener('beforeunload', (event) => {
      if (this.#wouldBeLost()) event.preventDefault();
    });
  }

  /** Pictures are in memory alone, and a training that is not over leaves nothing. */
  #wouldBeLost(): boolean {
    const hasPictures = this.#cards.some(({ examples }) => examples.length > 0);
    return this.#teacher.busy || (hasPictures && (!this.#wasTaught || this.#isOld));
  }

  // Classes

  #checkRoom(wanted: number): void {
    const free = this.#cards.filter(isFree).length;
    const cards = this.#cards.length + (wanted === 1 ? 1 : Math.max(0, wanted - free));
    if (cards > MOST_CLASSES) throw new Error(t('teach.error.most', { most: MOST_CLASSES }));
  }

  #called = (name: string): ClassCard | undefined => this.#cards.find((card) => card.name === name);

  /** The card of that name, else an unused one, else a new one. Without a name: an unused or a new one. */
  #cardFor(name: string): ClassCard {
    const card = this.#called(name) ?? this.#cards.find(isFree) ?? this.#addCard();
    if (name !== '') card.name = name;
    return card;
  }

  #addCard(): ClassCard {
    const card = new ClassCard({
      number: ++this.#numbers,
      act: this.#shell.act,
      startCamera: async () => {
        if (!this.#shell.filming()) await this.#shell.startCamera();
      },
      changed: () => this.#changed(),
      remove: (one) => {
        const at = this.#cards.indexOf(one);
        this.#cards.splice(at, 1);
        one.root.remove();
        const next = this.#cards[at] ?? this.#cards[at - 1];
        (next?.root.querySelector('input') ?? this.#more).focus({ preventScroll: true });
        this.#changed();
      },
    });
    this.#cards.push(card);
    this.#list.append(card.root);
    return card;
  }

  #changed(): void {
    this.#lesson = undefined;
    this.#isOld = this.#wasTaught;
    this.#update();
  }

  /** @throws Error that says what is missing */
  #lessonOfCards(): Lesson {
    const full = this.#cards.filter(({ examples }) => examples.length > 0);
    if (full.length < 2) throw new Error(t('teach.error.classes'));
    const lesson = new Map<string, Example[]>();
    for (const { name, examples, counted: count } of full) {
      if (lesson.has(name)) throw new Error(t('teach.error.names', { name }));
      if (examples.length < LEAST_PICTURES)
        throw new Error(t('teach.error.few', { name, count, least: LEAST_PICTURES }));
      lesson.set(name, [...examples]);
    }
    return lesson;
  }

  // Training

  async #learn(): Promise<void> {
    this.#lesson ??= this.#lessonOfCards();
    const lesson = this.#lesson;
    if (!this.#teacher.canGoOn(lesson)) this.#curve.clear();
    this.#outcome.replaceChildren();
    this.#say(() => t('teach.preparing'));
    let [done, total] = [0, 0];
    try {
      const training = this.#teacher.train(lesson, (progress) => {
        if (progress.phase === 'steps') [done, total] = [progress.done, progress.total];
        this.#show(progress);
      });
      this.#update();
      const result = await training;
      if (result === null) {
        this.#say(() => (done > 0 ? t('teach.stopped', { done, total }) : t('teach.stoppedEarly')));
        return;
      }
      await this.#taught(result, lesson);
    } catch (error) {
      this.#say(() => '');
      throw error;
    } finally {
      this.#update();
    }
  }

  #show(progress: PageProgress): void {
    const { phase, done, total, lines } = progress;
    this.#progress.max = Math.max(1, total);
    this.#progress.value = done;
    const isOver = phase === 'steps' && done === total;
    this.#say(() => (isOver ? t('teach.saving') : t(`teach.phase.${phase}`, { done, total })));
    if (phase === 'steps') for (const line of lines) this.#curve.add(line.step! / total, line);
  }

  async #taught(result: PageTrainingResult, lesson: Lesson): Promise<void> {
    const labels = Object.values(result.id2label);
    this.#kept = { labels, savedAt: Date.now() };
    this.#wasTaught = true;
    this.#isOld = this.#lesson !== lesson;
    const pictures = [...lesson.values()].reduce((sum, { length }) => sum + length, 0);
    this.#outcome.replaceChildren(...confusionTable(labels, result.confusion, pictures));
    if (result.nearDuplicates.some(({ leaks }) => leaks)) this.#outcome.append(said('teach.alike'));
    write(this.#outcome);
    this.#say(() => t('teach.try'));
    await this.#shell.client.renewKept();
    this.answers = true;
    await this.#shell.again();
  }

  // The network that is kept

  async #tryKept(): Promise<void> {
    await this.#shell.client.open('taught').catch((error: Error) => {
      throw new Error(t('teach.error.kept', { reason: error.message }), { cause: error });
    });
    this.answers = true;
    await this.#shell.again();
    this.#update();
  }

  async #removeKept(): Promise<void> {
    await this.#shell.client.removeKept();
    [this.#kept, this.answers, this.#wasTaught, this.#isOld] = [null, false, false, false];
    this.#answerList.replaceChildren();
    this.#outcome.replaceChildren();
    this.#curve.clear();
    this.#say(() => t('teach.removed'));
    this.#update();
    this.#more.focus();
    headline.textContent = t('teach.title');
    answerIs('');
    cover(null);
    await this.#shell.again();
  }

  #say(text: () => string): void {
    this.#writeNote = text;
    this.#note.ariaLive = this.#teacher.busy ? 'off' : 'polite'; // nobody wants to hear each step
    this.#note.textContent = text();
  }

  /** What can be done now, in the language of now. */
  #update(): void {
    const { busy } = this.#teacher;
    const goesOn = this.#lesson !== undefined && this.#teacher.canGoOn(this.#lesson);
    const hadFocus = document.activeElement === this.#train || document.activeElement === this.#stop;
    this.#train.hidden = busy;
    this.#train.dataset.t = goesOn ? 'teach.goOn' : this.#wasTaught ? 'teach.trainAgain' : 'teach.train';
    this.#stop.hidden = !busy;
    if (hadFocus) (busy ? this.#stop : this.#train).focus();
    this.#progress.hidden = !busy;
    this.#progress.ariaLabel = this.#writeNote();
    this.#keptRow.write(busy ? null : this.#kept, this.answers);
    for (const card of this.#cards) card.write();
    write(element('panel-teach', HTMLDivElement));
    this.#note.textContent = this.#isOld && !busy ? t('teach.changed') : this.#writeNote();
  }
}

const isFree = (card: ClassCard): boolean => card.examples.length === 0 && !card.named;

function answerRow({ label, score }: Label): HTMLLIElement {
  const bar = make('span', { className: 'bar' });
  bar.style.width = `${100 * score}%`;
  return make('li', {}, bar, make('span', { text: label }), make('span', { text: percent(score) }));
}

function button(key: string, className = ''): HTMLButtonElement {
  const made = make('button', { className });
  made.dataset.t = key;
  return made;
}

function said(key: string): HTMLParagraphElement {
  const made = make('p', { className: 'quiet' });
  made.dataset.t = key;
  return made;
}
