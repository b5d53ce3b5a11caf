/** A profile for people: as text, and as a page with a bar for every step. */

import { escapeHtml, htmlBars, htmlPage, htmlTable } from '../base/html.js';
import type { Profile, ProfileRow } from '../entries/main-node.js';
import { shapeOf } from './shape.js';
import { table } from './text.js';

const HEADER = ['step', 'kernel', 'shape', 'MMAC', 'ms', 'median', 'GMAC/s', 'of peak'];
const WORDS = [0, 1, 2];

export function profileText(profile: Profile): string {
  const rows = [HEADER, ...profile.steps.map(cellsOf), ['total', '', '', ...figures(profile.total)]];
  const numbers = HEADER.map((_, column) => column).filter((column) => !WORDS.includes(column));
  return `${table(rows, numbers)}\n${summary(profile)}`;
}

export function profilePage(profile: Profile, model: string): string {
  const { steps, total } = profile;
  const longest = Math.max(...steps.map(({ min }) => min));
  const bars = steps.map((step) => ({
    label: step.name,
    length: step.min / longest,
    text: `${step.min.toFixed(3)} ms${step.share === null ? '' : ` · ${share(step)}`}`,
    colour: step.multiplyAdds > 0 ? 'blue' : 'grey',
    hint: `${step.kernelName}, ${shapeOf(step.spec)}: ${step.gmacs.toFixed(2)} GMAC/s`,
  }));
  const title = `${model}: ${total.min.toFixed(2)} ms`;
  const table = htmlTable(HEADER, [...steps.map(cellsOf), ['total', '', '', ...figures(total)]], WORDS);
  return htmlPage({
    title,
    body: `<h1>${escapeHtml(title)}</h1>
<p class="soft">${summary(profile)}</p>
<h2>Time of each step</h2>
<p class="soft">The fastest of all runs, and the share of the machine’s multiply-add peak that it reaches. Grey steps only move numbers.</p>
${htmlBars(bars)}
<h2>All figures</h2>
${table}`,
  });
}

/** One line: what was run, how often, and what it is measured against. */
function summary({ dims, engine, threads, runs, peak, peakType }: Profile): string {
  const parts = [`input [${dims.join(',')}]`, engine, `${threads} ${threads === 1 ? 'thread' : 'threads'}`];
  parts.push(`fastest and median of ${runs} ${runs === 1 ? 'run' : 'runs'}`);
  const of = peakType === 'i16' ? ' with whole numbers' : '';
  parts.push(peak === null ? 'peak not measured' : `peak ${peak.toFixed(1)} GMAC/s a thread${of}`);
  return parts.join(' · ');
}

const cellsOf = (step: Profile['steps'][number]) => [step.name, step.kernelName, shapeOf(step.spec), ...figures(step)];

function figures(row: ProfileRow): string[] {
  const { multiplyAdds, min, median, gmacs } = row;
  const some = multiplyAdds > 0;
  return [
    some ? (multiplyAdds / 1e6).toFixed(2) : '',
    min.toFixed(3),
    median.toFixed(3),
    some ? gmacs.toFixed(2) : '',
    share(row),
  ];
}

const share = ({ share: of }: ProfileRow): string => (of === null ? '' : `${(100 * of).toFixed(0)} %`);
