/** TensorFlow Lite files that end where ours do. */

const CONV_2D = 3;

/**
 * A segmenter's file without what follows its logits: LiteRT.js cannot give the mask of 64-bit integers that follows them.
 * The numbers that say how many operators there are and which tensor comes out are written over; all else stays.
 */
export function endWithLogits(file) {
  const bytes = Uint8Array.from(file);
  const view = new DataView(bytes.buffer);
  const at = (position) => view.getInt32(position, true);
  /** Where a table's field is; 0 where the table has none. */
  const field = (table, index) => {
    const vtable = table - at(table);
    const place = 4 + 2 * index < view.getUint16(vtable, true) ? view.getUint16(vtable + 4 + 2 * index, true) : 0;
    return place === 0 ? 0 : table + place;
  };
  /** Where a vector has its length; its elements follow. */
  const vector = (table, index) => field(table, index) + at(field(table, index));
  const element = (list, index) => list + 4 + 4 * index + at(list + 4 + 4 * index);

  const model = at(0);
  const [codes, graphs] = [vector(model, 1), vector(model, 2)];
  const graph = element(graphs, 0);
  const [outputs, operators] = [vector(graph, 2), vector(graph, 3)];
  for (let last = at(operators) - 1; last >= 0; last--) {
    const operator = element(operators, last);
    const code = field(operator, 0) === 0 ? 0 : at(field(operator, 0));
    const short = field(element(codes, code), 0); // CONV_2D is among the first codes, which have a byte
    if (short === 0 || view.getInt8(short) !== CONV_2D) continue;
    view.setInt32(operators, last + 1, true);
    view.setInt32(outputs + 4, at(vector(operator, 2) + 4), true);
    return bytes;
  }
  throw new Error('a file without a convolution');
}
