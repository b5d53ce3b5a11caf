/** The end of the figure: which channels spoke for the label, and how their sum is its logit. */
import { make, squareOf } from '../dom.js';
import { apart, decimal, t } from '../i18n.js';
import type { Evidence, Label } from '../protocol.js';
import { sourceOf } from './source.js';

export function showEvidence(body: HTMLElement, evidence: Evidence | null, { label }: Label): void {
  if (evidence === null) {
    body.replaceChildren(make('p', { text: t('evidence.none') }));
    return;
  }
  const { speakers, sheet, others, rest, bias, sum, network } = evidence;
  const list = make('ol', { className: 'speakers' });
  const most = speakers[0].product;
  for (const [n, { channel, mean, weight, product }] of speakers.entries()) {
    const bar = make('span', { className: 'bar' });
    bar.style.width = `${Math.max(0, (100 * product) / most)}%`;
    list.append(
      make(
        'li',
        {},
        squareOf(sheet, n),
        make('span', { text: t('inside.term', { channel }) }),
        make('span', { className: 'quiet', text: apart(`${decimal(mean)} × ${decimal(weight)}`) }),
        make('span', { className: 'track' }, bar),
        make('b', { text: decimal(product, 2, '+') }),
      ),
    );
  }
  sheet.close();
  const all = speakers.reduce((sum, { product }) => sum + product, 0);
  const result = make('p', {
    className: 'result',
    text: t('evidence.sum', {
      ...{ speakers: decimal(all, 4), rest: decimal(rest, 4), others, bias: decimal(bias, 4), sum: decimal(sum, 4) },
      network: decimal(network, 4),
    }),
  });
  result.dataset.sum = String(sum);
  result.dataset.network = String(network);
  body.replaceChildren(
    make('h4', { text: t('evidence.title', { label: label.split(', ')[0] }) }),
    make('p', { className: 'quiet', text: t('evidence.hint') }),
    list,
    result,
    sourceOf('classifier'),
  );
}
