/** Curves over epochs, as SVG that takes the colors of the page it is in. */
import { escapeHtml } from '../base/html.js';

export interface Curve {
  name: string;
  /** One of the page's colors. */
  colour: string;
  points: readonly (readonly [epoch: number, value: number])[];
}

const [WIDTH, HEIGHT] = [520, 240];
const [LEFT, RIGHT, TOP, BOTTOM] = [48, 12, 34, 26];
const TICKS = 5;

/**
 * @param most the end of the scale; the largest value when left out
 * @returns SVG; nothing where there is no curve
 */
export function chart(title: string, given: readonly Curve[], most?: number): string {
  const curves = given.filter(({ points }) => points.length > 0);
  if (curves.length === 0) return '';
  const all = curves.flatMap(({ points }) => points);
  const lastEpoch = Math.max(...all.map(([epoch]) => epoch)) || 1;
  const top = most ?? (Math.max(...all.map(([, value]) => value)) || 1);
  const step = niceStep(top / TICKS);
  const end = most ?? Math.ceil(top / step) * step;
  const x = (epoch: number) => (LEFT + (epoch / lastEpoch) * (WIDTH - LEFT - RIGHT)).toFixed(1);
  const y = (value: number) => (HEIGHT - BOTTOM - (value / end) * (HEIGHT - TOP - BOTTOM)).toFixed(1);
  const lines: string[] = [];
  for (let value = 0; value <= end * 1.001; value += step) {
    lines.push(
      `<line x1="${LEFT}" x2="${WIDTH - RIGHT}" y1="${y(value)}" y2="${y(value)}" stroke="var(--line)"/>`,
      `<text x="${LEFT - 6}" y="${Number(y(value)) + 4}" text-anchor="end">${Number(value.toPrecision(3))}</text>`,
    );
  }
  const epochs = Math.max(1, niceStep(lastEpoch / 8));
  for (let epoch = 0; epoch <= lastEpoch; epoch += epochs) {
    lines.push(`<text x="${x(epoch)}" y="${HEIGHT - 8}" text-anchor="middle">${epoch}</text>`);
  }
  const drawn = curves.map(({ colour, points }) => {
    const path = points.map(([epoch, value]) => `${x(epoch)},${y(value)}`).join(' ');
    const dots =
      points.length > 40 ? [] : points.map(([epoch, value]) => dot(x(epoch), y(value), colour, epoch, value));
    return `<polyline points="${path}" fill="none" stroke="var(--${colour})" stroke-width="2"/>${dots.join('')}`;
  });
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escapeHtml(title)}">
<text x="${LEFT}" y="14" style="fill:var(--ink)">${escapeHtml(title)}</text>${curves.length > 1 ? legend(curves) : ''}
${lines.join('')}${drawn.join('')}</svg>`;
}

function dot(x: string, y: string, colour: string, epoch: number, value: number): string {
  const hint = `epoch ${Number(epoch.toFixed(2))}: ${Number(value.toPrecision(4))}`;
  return `<circle cx="${x}" cy="${y}" r="3" fill="var(--${colour})"><title>${hint}</title></circle>`;
}

function legend(curves: readonly Curve[]): string {
  return curves
    .map(({ name, colour }, i) => {
      const at = WIDTH - RIGHT - 90 * (curves.length - i);
      return `<circle cx="${at}" cy="10" r="4" fill="var(--${colour})"/><text x="${at + 9}" y="14">${escapeHtml(name)}</text>`;
    })
    .join('');
}

/** 1, 2 or 5 times a power of ten, at least as large. */
function niceStep(least: number): number {
  const power = 10 ** Math.floor(Math.log10(least));
  return power * ([1, 2, 5].find((factor) => factor * power >= least * 0.999) ?? 10);
}
