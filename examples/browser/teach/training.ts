/** Orders to the worker that trains, which is started with the first of them. */
import { type PageProgress, PageTraining, type PageTrainingResult } from 'mobilenet-v2/train';
import type { Example } from './pictures.js';
import { TAUGHT, TAUGHT_NAME } from './taught.js';

/** Pictures by the names of their classes. */
export type Lesson = ReadonlyMap<string, readonly Pick<Example, 'blob' | 'recording'>[]>;

const BATCH = 8;
/** Few pictures are learned more often, so that there are steps enough; many need fewer rounds. */
const WANTED_STEPS = 240;
const EPOCHS = { least: 10, most: 60 };

export class Teacher {
  #training: PageTraining | undefined;
  #stop: AbortController | undefined;
  /** What the worker has now. */
  #given: Lesson | undefined;
  #stopped = false;

  get busy(): boolean {
    return this.#stop !== undefined;
  }

  /** Can a training of this lesson go on where it was stopped? */
  canGoOn(lesson: Lesson): boolean {
    return this.#stopped && lesson === this.#given;
  }

  /** @returns null when it was stopped */
  async train(lesson: Lesson, onProgress: (progress: PageProgress) => void): Promise<PageTrainingResult | null> {
    const resume = this.canGoOn(lesson);
    const stop = new AbortController();
    this.#stop = stop;
    let steps = 0;
    try {
      if (!resume) await this.#give(lesson, stop.signal);
      const result = await this.#worker().train(
        {
          model: new URL('models/mobilenet_v2_1.0_224', location.href).href,
          saveTo: TAUGHT_NAME,
          resume,
          args: argsFor(lesson),
        },
        {
          signal: stop.signal,
          progress_callback(progress) {
            if (progress.phase === 'steps') steps = progress.done;
            onProgress(progress);
          },
        },
      );
      this.#stopped = false;
      return result;
    } catch (error) {
      if (error !== stop.signal.reason) this.#stopped = false;
      if (!stop.signal.aborted || error !== stop.signal.reason) throw error;
      // Before the first step there is nothing to go on from.
      this.#stopped ||= steps > 0;
      return null;
    } finally {
      this.#stop = undefined;
    }
  }

  stop(): void {
    this.#stop?.abort();
  }

  async download(): Promise<void> {
    await import('mobilenet-v2'); // it knows how a browser offers a file
    await this.#worker().download(TAUGHT);
  }

  async #give(lesson: Lesson, signal: AbortSignal): Promise<void> {
    const worker = this.#worker();
    this.#given = undefined;
    this.#stopped = false;
    await worker.clear();
    for (const [label, pictures] of lesson) {
      for (const { blob, recording } of pictures) {
        signal.throwIfAborted();
        await worker.add(label, blob, undefined, recording);
      }
    }
    this.#given = lesson;
  }

  #worker(): PageTraining {
    this.#training ??= new PageTraining(new Worker('teach-worker.js', { type: 'module' }));
    return this.#training;
  }
}

function argsFor(lesson: Lesson) {
  const pictures = [...lesson.values()].reduce((sum, { length }) => sum + length, 0);
  const epochs = Math.ceil(WANTED_STEPS / Math.ceil((0.8 * pictures) / BATCH));
  return {
    num_train_epochs: Math.min(EPOCHS.most, Math.max(EPOCHS.least, epochs)),
    per_device_train_batch_size: BATCH,
    learning_rate: 0.003,
    classifier_dropout_prob: 0.2,
    logging_steps: 1,
    eval_strategy: 'epoch' as const,
  };
}
