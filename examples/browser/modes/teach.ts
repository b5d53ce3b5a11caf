/** Teach it: the place of the mode that trains. */
import { element } from '../dom.js';
import { t } from '../i18n.js';
import { answerIs, cover } from '../stage.js';
import type { Mode, Shell } from './mode.js';

const headline = element('headline', HTMLHeadingElement);

export class TeachMode implements Mode {
  readonly name = 'teach';
  readonly task = null;
  readonly shell: Shell;

  constructor(shell: Shell) {
    this.shell = shell;
  }

  enter(): void {
    headline.textContent = t('teach.title');
    answerIs('');
    cover(null);
  }

  async look(): Promise<null> {
    return null;
  }
}
