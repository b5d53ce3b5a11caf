/** Results as Markdown. */
const number = (value) => value.toPrecision(value < 1000 ? 3 : 4).replace(/\.?e\+\d+$/, '');
const markdown = (rows) => rows.map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/**
 * Rows of engines, columns of pictures: fastest and median ms, and how many times ours is faster by the fastest.
 * @param what `cpu` or `wall`
 */
export function endToEndTable(rows, what) {
  const pictures = [...new Set(rows.map(({ picture }) => picture))];
  const engines = [...new Set(rows.map(({ engine }) => engine))];
  const find = (id, picture) => rows.find((row) => row.engine.id === id && row.picture === picture);
  const body = engines.map(({ id, title }) => [
    title,
    ...pictures.map((picture) => {
      const time = find(id, picture)?.[what];
      if (time === undefined) return '–';
      const ours = find('ours', picture)?.[what];
      const ratio = id === 'ours' || ours === undefined ? '' : `, **${(time.min / ours.min).toFixed(2)}×**`;
      return `${number(time.min)} / ${number(time.median)}${ratio}`;
    }),
  ]);
  const head = [`${what === 'cpu' ? 'processor ms' : 'ms'}, min / median`, ...pictures];
  return [markdown([head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...body]), notes(rows)]
    .filter(Boolean)
    .join('\n\n');
}

/** What each answered, and what did not work and why. */
function notes(rows) {
  const lines = [];
  for (const { engine, picture, error } of rows) {
    if (error !== undefined) lines.push(`- ${engine.title}, ${picture}: ${error.split('\n')[0]}`);
  }
  for (const picture of new Set(rows.map((row) => row.picture))) {
    const answers = rows.filter((row) => row.picture === picture && row.answer !== undefined);
    const said = answers.map(
      ({ engine, answer: { label, score, means } }) =>
        `${engine.id} ${label === undefined ? means.map((mean) => mean.toFixed(3)).join(' ') : `${label} ${score.toFixed(6)}`}`,
    );
    if (said.length > 0) lines.push(`- ${picture}: ${said.join('; ')}`);
  }
  return lines.join('\n');
}
