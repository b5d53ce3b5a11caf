/** The quiet part: which network, which engine, how many threads. */
import { element, listenToFiles } from './dom.js';
import { grouped, t } from './i18n.js';
import type { ModelFiles, ModelInfo, Settings } from './protocol.js';

const dialog = element('settings', HTMLDialogElement);
const threads = element('threads', HTMLSelectElement);

export interface SettingsListener {
  configure(settings: Settings): void;
  adopt(files: ModelFiles): void;
  restore(): void;
}

/** Kept while an engine without threads is on. */
let wantedThreads: Settings['threads'] = 'auto';

const settings = (): Settings => {
  const chosen = document.querySelector<HTMLInputElement>('input[name=device]:checked')!;
  return { device: chosen.value as Settings['device'], threads: wantedThreads };
};

export function listen(listener: SettingsListener): void {
  element('settings-open', HTMLButtonElement).addEventListener('click', () => dialog.showModal());
  dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close()); // beside it
  threads.addEventListener('change', () => {
    wantedThreads = Number(threads.value);
  });
  for (const control of [...document.querySelectorAll<HTMLElement>('input[name=device]'), threads]) {
    control.addEventListener('change', () => listener.configure(settings()));
  }
  for (const [button, input] of [
    ['own', 'model-files'],
    ['own-folder', 'model-folder'],
  ]) {
    listenToFiles(element(button, HTMLButtonElement), element(input, HTMLInputElement), (files) => {
      if (files.length === 0) return;
      listener.adopt(files.map((file) => ({ path: file.webkitRelativePath || file.name, file })));
    });
  }
  for (const id of ['shipped', 'back'])
    element(id, HTMLButtonElement).addEventListener('click', () => listener.restore());
}

/** Says which network answers. */
export function describe(info: ModelInfo): void {
  const { name, labels, width, height, parameters, multiplyAdds, numbers, random, engine, own } = info;
  const facts = t('settings.facts', {
    ...{ name, width, height, numbers, classes: grouped(labels.length) },
    parameters: grouped(parameters),
    adds: grouped(Math.round(multiplyAdds / 1e6)),
  });
  element('model', HTMLParagraphElement).textContent = random > 0 ? `${facts} ${t('settings.random')}` : facts;
  for (const id of ['shipped', 'own-row']) element(id, HTMLElement).hidden = !own;
  // An engine that is not to be had here was replaced by another.
  element(engine, HTMLInputElement).checked = true;
  const counts = Array.from({ length: Math.min(info.mostThreads, 8) }, (_, i) => String(i + 1));
  threads.replaceChildren(...counts.map((count) => new Option(count, count)));
  threads.value = String(info.threads);
  threads.disabled = engine !== 'wasm' || counts.length === 1;
  const isLimited = info.mostThreads < navigator.hardwareConcurrency;
  element('threads-note', HTMLParagraphElement).textContent = isLimited ? t('settings.noThreads') : '';
}
