/** The roofline plot: every layer in every implementation, under what processor and memory allow. */
import { attainable, figuresOf, intensityOf } from '../roofline.mjs';
import { LOOKS, SHAPES } from './looks.mjs';
import { element, line, logScale, logTicks, point, text } from './svg.mjs';

const WIDTH = 640;
const HEIGHT = 470;
const PLOT = { left: 52, right: WIDTH - 14, top: 14, bottom: HEIGHT - 46 };

/** @param rows of one thread; @param roofs of their rounds */
export function rooflinePlot(rows, roofs) {
  const points = rows.map((row) => ({ row, x: intensityOf(row), y: figuresOf(row, roofs).gmacs }));
  const { peak, bandwidth } = roofs;
  const ridge = peak / bandwidth[1];
  const xs = [...points.map(({ x }) => x), ridge];
  const ys = points.map(({ y }) => y);
  const bounds = {
    x: [Math.min(...xs) / 2.2, Math.max(...xs) * 1.6], // on the left there is room for the roof's name
    y: [Math.min(...ys) / 1.5, Math.max(peak, ...ys) * 1.6],
  };
  const x = logScale(...bounds.x, PLOT.left, PLOT.right);
  const y = logScale(...bounds.y, PLOT.bottom, PLOT.top);

  const grid = [
    ...logTicks(...bounds.x).map(({ value, major }) => {
      const at = x(value);
      const label = text(at, PLOT.bottom + 16, String(value), { anchor: 'middle' });
      return line(at, PLOT.top, at, PLOT.bottom, major ? 'grid major' : 'grid') + label;
    }),
    ...logTicks(...bounds.y).map(({ value, major }) => {
      const at = y(value);
      const label = text(PLOT.left - 6, at + 4, String(value), { anchor: 'end' });
      return line(PLOT.left, at, PLOT.right, at, major ? 'grid major' : 'grid') + label;
    }),
    text((PLOT.left + PLOT.right) / 2, HEIGHT - 10, 'multiply-adds for each byte that must be moved', {
      anchor: 'middle',
    }),
    text(0, 0, 'GMAC/s', { anchor: 'middle', transform: `translate(16 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)` }),
  ];
  // The slanted roof from where it enters the plot up to the ridge, and from there the flat one.
  const foot = Math.max(bounds.x[0], bounds.y[0] / bandwidth[1]);
  const roof = [foot, ridge, bounds.x[1]].map((at) => `${x(at).toFixed(1)},${y(attainable(roofs, at)).toFixed(1)}`);
  const [fromX, fromY] = [x(foot), y(attainable(roofs, foot))];
  const degrees = (Math.atan2(y(peak) - fromY, x(ridge) - fromX) * 180) / Math.PI;
  const along = `translate(${fromX.toFixed(1)} ${fromY.toFixed(1)}) rotate(${degrees.toFixed(1)})`;
  const roofLabels = [
    text(PLOT.right - 4, y(peak) - 7, `multiply-add peak ${peak.toFixed(1)} GMAC/s`, {
      anchor: 'end',
      className: 'roof-label',
    }),
    text(8, -7, `memory ${bandwidth[1].toFixed(1)} GB/s`, { className: 'roof-label', transform: along }),
  ];
  const marks = points.map(({ row, x: intensity, y: gmacs }) => {
    const { shareOfPeak } = figuresOf(row, roofs);
    const { title, colour } = LOOKS[row.memory === 'low' ? 'bands' : row.implementation];
    const hint = `${row.kernel} ${row.shape}, ${title}: ${gmacs.toFixed(2)} GMAC/s, ${(100 * shareOfPeak).toFixed(0)} % of the peak`;
    return point(x(intensity), y(gmacs), SHAPES[row.op].shape, colour, hint);
  });
  const lines = element('polyline', { class: 'roof', points: roof.join(' ') });
  const label = 'Roofline plot: speed over multiply-adds a byte';
  const content = [...grid, lines, ...roofLabels, ...marks].join('\n');
  return element(
    'svg',
    { class: 'roofline', viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', 'aria-label': label },
    content,
  );
}
