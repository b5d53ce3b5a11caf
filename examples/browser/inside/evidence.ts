/** The end of the figure: which channels spoke for the label, and how their sum is its logit. */
import { make } from '../dom.js';
import { t } from '../i18n.js';
import type { Evidence, Label } from '../protocol.js';
import { sourceOf } from './source.js';

const TILE = 56;
const number = (value: number, digits = 2): string => value.toFixed(digits).replace('-', '−');

export function showEvidence(body: HTMLElement, evidence: Evidence | null, { label }: Label): void {
  if (evidence === null) {
    body.replaceChildren(make('p', { text: t('evidence.none') }));
    return;
  }
  const { speakers, sheet, others, rest, bias, sum, network } = evidence;
  const list = make('ol', { className: 'speakers' });
  const most = speakers[0].product;
  for (const [n, { channel, mean, weight, product }] of speakers.entries()) {
    const map = make('canvas');
    map.width = map.height = TILE;
    map.getContext('2d')!.drawImage(sheet, n * TILE, 0, TILE, TILE, 0, 0, TILE, TILE);
    const bar = make('span', { className: 'bar' });
    bar.style.width = `${Math.max(0, (100 * product) / most)}%`;
    list.append(
      make(
        'li',
        {},
        map,
        make('span', { text: t('inside.term', { channel }) }),
        make('span', { className: 'quiet', text: `${number(mean)} × ${number(weight)}` }),
        make('span', { className: 'track' }, bar),
        make('b', { text: `+${number(product)}` }),
      ),
    );
  }
  sheet.close();
  const all = speakers.reduce((sum, { product }) => sum + product, 0);
  const result = make('p', {
    className: 'result',
    text: t('evidence.sum', {
      ...{ speakers: number(all, 4), rest: number(rest, 4), others, bias: number(bias, 4), sum: number(sum, 4) },
      network: number(network, 4),
    }),
  });
  result.dataset.sum = String(sum);
  result.dataset.network = String(network);
  body.replaceChildren(
    make('h4', { text: t('evidence.title', { label: label.split(', ')[0] }) }),
    list,
    result,
    sourceOf('classifier'),
  );
}
