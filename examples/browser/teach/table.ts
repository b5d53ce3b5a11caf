/** What held-out pictures were taken for. */
import { make } from '../dom.js';
import { isRightToLeft, t } from '../i18n.js';

/**
 * @param counts rows are what a picture shows, columns what it was taken for
 * @param pictures all that there were
 */
export function confusionTable(
  labels: readonly string[],
  counts: readonly (readonly number[])[],
  pictures: number,
): HTMLElement[] {
  const total = counts.flat().reduce((sum, count) => sum + count, 0);
  const right = counts.reduce((sum, row, i) => sum + row[i]!, 0);
  const head = make(
    'tr',
    {},
    make('td', { text: `${t('teach.isA')} ↓ ${t('teach.takenFor')} ${isRightToLeft() ? '←' : '→'}` }),
  );
  for (const label of labels) head.append(heading(label, 'col'));
  const rows = counts.map((row, i) => {
    const most = Math.max(1, ...row);
    const cells = row.map((count, j) => {
      const cell = make('td', { className: i === j ? 'right' : count > 0 ? 'wrong' : '', text: String(count) });
      cell.style.setProperty('--share', `${Math.round((100 * count) / most)}%`);
      return cell;
    });
    return make('tr', {}, heading(labels[i]!, 'row'), ...cells);
  });
  const caption = make('caption', { className: 'quiet', text: t('teach.table') });
  const table = make('table', { className: 'confusion' }, caption, make('thead', {}, head), make('tbody', {}, ...rows));
  const frame = make('div', { className: 'confusion-frame' }, table);
  return [
    make('p', { className: 'verdict', text: t('teach.right', { right, total }) }),
    frame,
    make('p', { className: 'quiet', text: t('teach.heldOut', { total, pictures }) }),
  ];
}

function heading(label: string, scope: string): HTMLTableCellElement {
  const made = make('th', { text: label });
  made.scope = scope;
  made.title = label;
  return made;
}
