/** The report: one page of charts and tables, from nothing but a result as `--json` writes it. */
import { escapeHtml, htmlBars, htmlPage, htmlTable } from '../../dist/base/html.js';
import { changedTable, clockRemark, RULE } from '../compare.mjs';
import { totals } from '../layers.mjs';
import { figuresOf } from '../roofline.mjs';
import { ablationTable, layersTable, milliseconds, modelsTable, percent } from '../tables.mjs';
import { LOOKS, legend, SHAPES } from './looks.mjs';
import { rooflinePlot } from './roofline.mjs';

const STYLE = `
.pair { display: grid; grid-template-columns: minmax(0, 1fr); gap: 0 2.5rem; background: var(--page) }
@media (min-width: 64rem) { .pair { grid-template-columns: minmax(0, 11fr) minmax(0, 9fr) } }
.pair h2 { margin-top: 1rem }
#picture { padding: 0 .75rem }
.roofline { width: 100%; min-width: 34rem; display: block; font-size: 12px }
.roofline text { fill: var(--soft) }
.grid { stroke: var(--track) } .grid.major { stroke: var(--line) }
.roof { fill: none; stroke: var(--ink); stroke-width: 1.6 }
.roofline .roof-label { fill: var(--ink) }
.point { stroke: var(--page); stroke-width: .8; fill-opacity: .9 }
.legend { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-size: .85rem; color: var(--soft); max-width: none }
.sample { width: .8rem; height: .8rem; vertical-align: -.05rem }
.slower { color: var(--orange) } .faster { color: var(--green) }
summary { cursor: pointer; margin: .5rem 0 }
`;

/** @param {object | null} [comparison] what `compare` gave */
export function reportPage(result, comparison = null) {
  const { groups, machine, node, date } = result;
  const rowsOf = (group) =>
    result.rows.filter((row) => ['part', 'network', 'batch'].every((name) => row[name] === group[name]));
  const of = (wanted) => groups.filter(({ part }) => part === wanted).map((group) => ({ group, rows: rowsOf(group) }));
  const ablations = of('ablation').map(({ group, rows }) => ({
    network: group.network,
    html: ablationSection(group, rows),
  }));
  const layers = of('layers').map(({ group, rows }, index) => {
    // Beside the layers of its network, where those are there.
    const own = ablations.findIndex(({ network }) => network === group.network);
    const ablation = own < 0 ? '' : ablations.splice(own, 1)[0].html;
    return layersSection(group, rows, { ablation, id: index === 0 ? 'picture' : undefined });
  });
  const models = of('models');
  const body = [
    '<h1>mobilenet-v2: how near the machine’s limits</h1>',
    `<p class="soft">${escapeHtml(`${machine} · Node ${node} · ${date.slice(0, 10)} · float32`)}</p>`,
    ...layers,
    ...ablations.map(({ html }) => html),
    models.length > 0 ? modelsSection(models) : '',
    comparison === null ? '' : comparisonSection(comparison),
    METHOD,
  ];
  return htmlPage({ title: 'mobilenet-v2: benchmark', style: STYLE, body: body.join('\n') });
}

const METHOD = `<h2>How it was measured</h2>
<p class="soft">Rows take turns, round after round; times are the fastest. The peak is a loop of SIMD multiply-adds, the bandwidth
a loop that reads or copies 96 MiB; both were measured in the same rounds, and shares with several threads are of as many
peaks. Bytes are those that must be moved: inputs and weights once in, outputs once out.</p>`;

const one = (rows) => rows.filter(({ threads }) => threads === 1);

/** @param options.id by which picture.mjs finds it; @param options.ablation HTML that stands below the roofline */
function layersSection(group, rows, { id, ablation }) {
  const alone = one(rows).filter(
    ({ op, memory }) => SHAPES[op] !== undefined && (op !== 'inverted_residual' || memory === 'low'),
  );
  const best = alone.some(({ implementation }) => implementation === 'relaxed') ? 'relaxed' : 'simd';
  // In bands only the fast one: five points for a block would hide each other.
  const points = alone.filter(({ memory, implementation }) => memory !== 'low' || implementation === best);
  const shown = Object.keys(LOOKS).filter((look) => points.some((row) => lookOf(row) === look));
  const operations = Object.keys(SHAPES).filter((op) => points.some((row) => row.op === op));
  const blocks = points.filter(({ op }) => op === 'inverted_residual');
  const convolutions = points.filter(({ op }) => op !== 'inverted_residual');
  const plain = shown.filter((look) => look !== 'bands');
  return `<div class="pair"${id === undefined ? '' : ` id="${id}"`}>
<section>
<h2>${escapeHtml(group.network)}, one thread: what bounds each layer</h2>
<p class="soft">Every different convolution, by every implementation. The roofs are this machine’s, measured; what lies above the slanted one is fed by caches.</p>
${legend(shown, operations)}
<div class="scroll">${rooflinePlot(points, group)}</div>
${ablation}
</section>
<section>
<h2>Each layer, share of the peak of ${group.peak.toFixed(1)} GMAC/s</h2>
${legend(plain)}
${layerBars(convolutions, best, group)}
</section>
</div>
<h2>${escapeHtml(group.network)}: blocks in bands of rows, share of the peak</h2>
<p class="soft">Three convolutions done together, the wide tensors between them never laid out.</p>
${layerBars(blocks, best, group)}
<details><summary>All figures of ${escapeHtml(group.network)}, layer by layer</summary>
${tableOf(layersTable(rows, totals(rows), group), [0, 1, 2])}
</details>`;
}

const lookOf = ({ memory, implementation }) => (memory === 'low' ? 'bands' : implementation);

/** A bar for each layer: the fastest implementation, with strokes where the others are. */
function layerBars(rows, best, roofs) {
  const share = (row) => figuresOf(row, roofs).shareOfPeak;
  const layers = [...new Set(rows.map(({ step }) => step))];
  const bars = layers.flatMap((step) => {
    const own = rows.filter((row) => row.step === step);
    const fast = own.find((row) => row.implementation === best);
    if (fast === undefined) return [];
    const others = own.filter((row) => row !== fast);
    const { shape, op, count } = fast;
    return {
      label: `${SHAPES[op].short} ${shape}${count > 1 ? ` ×${count}` : ''}`,
      length: share(fast),
      text: percent(share(fast)),
      colour: LOOKS[lookOf(fast)].colour,
      hint: `${step}: ${milliseconds(fast.min)} ms`,
      marks: others.map((row) => ({ at: share(row), colour: LOOKS[row.implementation].colour })),
    };
  });
  return htmlBars(bars);
}

function ablationSection(group, rows) {
  const most = Math.max(...rows.map((row) => figuresOf(row, group).gmacs));
  const bars = rows.map((row) => {
    const { gmacs, shareOfPeak } = figuresOf(row, group);
    const { threads, idea } = row;
    const times = rows[0].min / row.min;
    return {
      label: idea,
      length: gmacs / most,
      text: `${milliseconds(row.min)} ms · ${times < 10 ? times.toFixed(1) : times.toFixed(0)}×`,
      colour: LOOKS[lookOf(row)].colour,
      hint: `${gmacs.toFixed(2)} GMAC/s, ${percent(shareOfPeak)} of the peak of ${threads} ${threads > 1 ? 'threads' : 'thread'}`,
    };
  });
  return `<section id="ablation"><h2>${escapeHtml(group.network)}: what each idea brings</h2>
<p class="soft">A whole pass; the longer the faster. “×” is against the reference.</p>
${htmlBars(bars)}
<details><summary>All figures</summary>${tableOf(ablationTable(rows, group), [0, 1])}</details></section>`;
}

function modelsSection(models) {
  const parts = models.map(({ group, rows }) => {
    const table = modelsTable(rows, group);
    return table.body.map((cells) => [group.network, String(group.batch), ...cells]);
  });
  const { header } = modelsTable([], models[0].group);
  return `<section><h2>Whole networks, share of the peak of the threads</h2>
<p class="soft">From pixels to logits.</p>
${networkBars(models)}
<p class="soft">“MB held” is the memory of all activations, “MB moved” the sum of what every step must read and write.</p>
${htmlTable(['network', 'batch', ...header], parts.flat(), [0, 2])}</section>`;
}

/** A bar for each network, batch and number of threads: the fastest of its modes. */
function networkBars(models) {
  const bars = models.flatMap(({ group, rows }) => {
    const { network, batch } = group;
    const fast = rows.filter(({ implementation }) => ['simd', 'relaxed'].includes(implementation));
    return [...new Set(fast.map(({ threads }) => threads))].map((threads) => {
      const row = fast.filter((other) => other.threads === threads).reduce((a, b) => (b.min < a.min ? b : a));
      const { gmacs, shareOfPeak } = figuresOf(row, group);
      return {
        label: `${network}${batch > 1 ? ` · batch ${batch}` : ''} · ${threads} ${threads > 1 ? 'threads' : 'thread'}`,
        length: shareOfPeak,
        text: `${milliseconds(row.min)} ms · ${percent(shareOfPeak)}`,
        colour: LOOKS[lookOf(row)].colour,
        hint: `${LOOKS[lookOf(row)].title}: ${gmacs.toFixed(2)} GMAC/s`,
      };
    });
  });
  return htmlBars(bars);
}

function comparisonSection(comparison) {
  const count = (verdict) => comparison.rows.filter((row) => row.verdict === verdict).length;
  const remark = clockRemark(comparison);
  const { header, body } = changedTable(comparison);
  const table = htmlTable(header, body, [0, 5]).replace(
    /<td class="text">(slower|faster)</g,
    '<td class="text $1">$1<',
  );
  return `<section><h2>Against an earlier run</h2>
<p>${count('slower')} rows are slower, ${count('faster')} faster, ${count('same')} the same.</p>
<p class="soft">${escapeHtml(RULE)}${remark === null ? '' : ` ${escapeHtml(remark)}`}</p>
${body.length > 0 ? table : ''}</section>`;
}

const tableOf = ({ header, body }, words) => htmlTable(header, body, words);
