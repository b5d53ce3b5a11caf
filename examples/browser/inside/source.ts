/** Where the paper says it, and the lines of code that do it; build.mjs takes them from docs/paper.md, which tests hold. */
import { make } from '../dom.js';
import { t } from '../i18n.js';

declare const QUOTES: readonly { section: string; file: string; lines: string; code: string }[];

/** arXiv's paper as a web page, whose sections can be linked: 3.1 is #S3.SS1. */
const PAPER = 'https://ar5iv.labs.arxiv.org/html/1801.04381';

/** The section of the paper and the file of a layer. */
function placeOf(layer: string): [section: string, file: string] {
  if (/conv_3x3$/.test(layer)) return ['3.1', 'src/layers/depthwise/reference.ts'];
  if (/expand_1x1$|^conv_1x1$|segmentation_head/.test(layer)) return ['3.1', 'src/layers/pointwise/reference.ts'];
  if (/reduce_1x1$/.test(layer)) return ['3.2', 'src/models/mobilenet-v2/architecture.ts'];
  if (/\.add$/.test(layer)) return ['3.3', 'src/models/mobilenet-v2/architecture.ts'];
  return ['4', 'src/models/mobilenet-v2/architecture.ts'];
}

export function sourceOf(layer: string): HTMLElement {
  const [section, file] = placeOf(layer);
  const paper = make('a', { text: t('inside.paper', { section }) });
  paper.href = `${PAPER}#S${section.replace('.', '.SS')}`;
  const quote = QUOTES.find((quote) => quote.section === section && quote.file === file);
  if (quote === undefined) return make('p', { className: 'quiet' }, paper);
  const summary = make('summary', { text: t('inside.code', { file: `${file}, ${quote.lines}` }) });
  const code = make('pre', {}, make('code', { text: quote.code }));
  code.tabIndex = 0;
  code.dir = 'ltr';
  const link = make('a', { text: file });
  link.href = `https://app.unpkg.com/mobilenet-v2/files/${file}#${quote.lines.split('-')[0]}`;
  return make('div', { className: 'source' }, paper, make('details', {}, summary, code, link));
}
