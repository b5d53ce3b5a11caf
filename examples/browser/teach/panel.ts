/** The panel that teaches: classes, the training, what came of it, and the answers of the taught network. */
import type { PageProgress, PageTrainingResult } from 'mobilenet-v2/train';
import { element, listenToFiles, make } from '../dom.js';
import { percent, t, write } from '../i18n.js';
import { edgeFor, type Shell } from '../modes/mode.js';
import type { Label, ModelFiles, What } from '../protocol.js';
import { answerIs, cover } from '../stage.js';
import { ClassCard } from './class-card.js';
import { Curve } from './curve.js';
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
  readonly #answers = make('ol', { className: 'answers' });
  readonly #list = make('ol', { className: 'class-list' });
  readonly #more = button('teach.addClass');
  readonly #folders = button('teach.folders');
  readonly #folderInput = make('input');
  readonly #train = button('teach.train', 'main');
  readonly #stop = button('teach.stop');
  readonly #download = button('teach.download');
  readonly #progress = make('progress');
  readonly #note = make('p', { className: 'quiet' });
  readonly #outcome = make('div', { className: 'outcome' });
  #writeNote = () => '';
  /** As the cards have it, until they are changed. */
  #lesson: Lesson | undefined;
  #result: PageTrainingResult | undefined;
  #isOld = false;

  constructor(shell: Shell) {
    this.#shell = shell;
    Object.assign(this.#folderInput, { type: 'file', webkitdirectory: true, hidden: true });
    const root = element('panel-teach', HTMLDivElement);
    root.replaceChildren(
      said('teach.intro'),
      this.#answers,
      this.#list,
      make('div', { className: 'row' }, this.#more, this.#folders, this.#folderInput),
      said('teach.foldersHint'),
      make('div', { className: 'row' }, this.#train, this.#stop, this.#download),
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
  }

  /** @returns whether the files were for a class */
  async drop(files: ModelFiles, on: Element | null): Promise<boolean> {
    const pictures = files.filter(({ path, file }) => file.type.startsWith('image/') || PICTURE.test(path));
    if (pictures.length === 0) throw new Error(t('teach.error.nothing'));
    const card = this.#cards.find(({ root }) => root.contains(on));
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
    if (this.#result === undefined) return null;
    const answer = await this.#shell.client.what(null, { edge: edgeFor(live) }, 'taught');
    if (stale()) {
      answer.glow?.close();
      return null;
    }
    const [best] = answer.labels;
    if (headline.textContent !== best!.label) headline.textContent = best!.label;
    this.#answers.ariaLabel = t('teach.answers');
    this.#answers.replaceChildren(...answer.labels.map(answerRow));
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
    this.#download.addEventListener('click', () => act(() => this.#teacher.download()));
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
        this.#cards.splice(this.#cards.indexOf(one), 1);
        one.root.remove();
        this.#changed();
      },
    });
    this.#cards.push(card);
    this.#list.append(card.root);
    return card;
  }

  #changed(): void {
    this.#lesson = undefined;
    this.#isOld = this.#result !== undefined;
    this.#update();
  }

  /** @throws Error that says what is missing */
  #lessonOfCards(): Lesson {
    const full = this.#cards.filter(({ examples }) => examples.length > 0);
    if (full.length < 2) throw new Error(t('teach.error.classes'));
    const lesson = new Map<string, Blob[]>();
    for (const { name, examples, counted: count } of full) {
      if (lesson.has(name)) throw new Error(t('teach.error.names', { name }));
      if (examples.length < LEAST_PICTURES)
        throw new Error(t('teach.error.few', { name, count, least: LEAST_PICTURES }));
      lesson.set(
        name,
        examples.map(({ blob }) => blob),
      );
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
    this.#result = result;
    this.#isOld = this.#lesson !== lesson;
    const labels = Object.values(result.id2label);
    this.#outcome.replaceChildren(
      ...(result.confusion.length > 0 ? confusionTable(labels, result.confusion) : [said('teach.alike')]),
    );
    this.#say(() => t('teach.try'));
    await this.#shell.client.renew('taught');
    await this.#shell.again();
  }

  #say(text: () => string): void {
    this.#writeNote = text;
    this.#note.textContent = text();
  }

  /** What can be done now, in the language of now. */
  #update(): void {
    const { busy } = this.#teacher;
    const goesOn = this.#lesson !== undefined && this.#teacher.canGoOn(this.#lesson);
    const hadFocus = document.activeElement === this.#train || document.activeElement === this.#stop;
    this.#train.hidden = busy;
    this.#train.dataset.t = goesOn ? 'teach.goOn' : this.#result === undefined ? 'teach.train' : 'teach.trainAgain';
    this.#stop.hidden = !busy;
    if (hadFocus) (busy ? this.#stop : this.#train).focus();
    this.#progress.hidden = !busy;
    this.#progress.ariaLabel = this.#writeNote();
    this.#download.hidden = busy || this.#result === undefined;
    this.#download.title = t('teach.downloadHint');
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
