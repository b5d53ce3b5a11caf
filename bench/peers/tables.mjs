/** Results as Markdown. */

const OURS = 'ours-wasm';
const keyOf = ({ id, threads }) => `${id} ${threads}`;
const number = (value) => value.toPrecision(value < 1000 ? 3 : 4).replace(/\.?e\+\d+$/, '');
const markdown = (rows) => rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n');

function table(head, rows) {
  return markdown([head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]);
}

/** Processor time, in ms, that an engine may use between its turns, when it should be idle. */
const MOST_IDLE_BURN = 50;

/** How many times its fastest the median of the peak loop may take before we say that the machine had other work. */
const MOST_NOISE = 1.15;

/** What did not work and why, whose threads were in the way of others, and when the machine did something else too. */
function notes(parts) {
  const lines = [];
  for (const { network, rows } of parts) {
    const peak = rows.find(({ engine }) => engine.id === 'peak');
    if (peak?.median > MOST_NOISE * peak?.min) {
      const noise = (peak.median / peak.min).toFixed(2);
      lines.push(`- ${network}: other programs were running (the peak loop's median is ${noise} times its fastest)`);
    }
    for (const { engine, error, idleBurn } of rows) {
      const who = `- ${engine.title}, ${engine.threads}, ${network}`;
      if (error !== undefined) lines.push(`${who}: ${error.split('\n')[0]}`);
      if (idleBurn > MOST_IDLE_BURN)
        lines.push(`${who}: used ${idleBurn.toFixed(0)} ms of processor time between turns`);
    }
  }
  return lines.length > 0 ? [lines.join('\n')] : [];
}

/** Rows of engines, columns of networks: fastest and median ms, and how many times ours is faster by the fastest. */
export function timesTable(times) {
  const engines = new Map();
  for (const { rows } of times) {
    for (const { engine } of rows) if (engine.id !== 'peak') engines.set(keyOf(engine), engine);
  }
  const find = (rows, id, threads) => rows.find((row) => row.engine.id === id && row.engine.threads === threads);
  const body = [...engines.values()].map(({ id, title, threads }) => [
    title,
    threads,
    ...times.map(({ rows }) => {
      const row = find(rows, id, threads);
      if (row === undefined || row.error !== undefined) return '–';
      const ours = find(rows, OURS, threads);
      const ratio = ours?.min === undefined || id === OURS ? '' : `, **${(row.min / ours.min).toFixed(2)}×**`;
      return `${number(row.min)} / ${number(row.median)}${ratio}`;
    }),
  ]);
  for (const threads of [1, 2]) {
    const shares = times.map(({ rows }) => {
      const row = find(rows, OURS, threads);
      const peak = find(rows, 'peak', 1);
      if (row?.min === undefined || peak?.min === undefined || row.info === undefined) return '–';
      const speed = row.info.multiplyAdds / row.min / 1e6;
      const most = (peak.info.multiplyAdds / peak.min / 1e6) * threads;
      return `${speed.toFixed(1)} of ${most.toFixed(1)} GMAC/s, **${((100 * speed) / most).toFixed(0)} %**`;
    });
    if (shares.some((share) => share !== '–')) body.push(['mobilenet-v2 wasm, share of peak', threads, ...shares]);
  }
  for (const id of [OURS, 'ours-low']) {
    const arenas = times.map(({ rows }) => find(rows, id, 1)?.info?.arenaBytes);
    if (arenas.every((bytes) => bytes === undefined)) continue;
    const cells = arenas.map((bytes) => (bytes === undefined ? '–' : `${(bytes / 1e6).toFixed(2)} MB`));
    body.push([`${engines.get(`${id} 1`).title}, activations`, 1, ...cells]);
  }
  return [table(['ms, min / median', 'threads', ...times.map(({ network }) => network)], body), ...notes(times)].join(
    '\n\n',
  );
}

/** Rows of engines, columns of networks: median ms from process start to first result, and peak resident memory. */
export function coldTable(cold) {
  const engines = new Map(cold.flatMap(({ rows }) => rows.map(({ engine }) => [keyOf(engine), engine])));
  const body = [...engines].map(([key, { title, threads }]) => [
    title,
    threads,
    ...cold.map(({ rows }) => {
      const row = rows.find(({ engine }) => keyOf(engine) === key);
      return row?.ms === undefined ? '–' : `${row.ms.toFixed(0)} ms, ${row.rss.toFixed(0)} MiB`;
    }),
  ]);
  const head = ['start to first result, peak memory', 'threads', ...cold.map(({ network }) => network)];
  return [table(head, body), ...notes(cold)].join('\n\n');
}

export function sizesTable(sizes) {
  const kilobytes = (bytes) => (bytes === 0 ? '' : (bytes / 1000).toFixed(1));
  const body = sizes.map(({ title, js, fetched }) => [
    title,
    kilobytes(js),
    kilobytes(fetched),
    kilobytes(js + fetched),
  ]);
  return table(['kB a page downloads, gzipped', 'bundle', 'fetched beside it', 'together'], body);
}
