/** Runs a kernel with values around y that must survive, operands that must stay, and a y of which nothing may be left. */

const GUARD = 64;

/** Arrays of numbers of which one can be cut out. */
type Numbers = Float32Array | Int16Array | Int32Array;

/**
 * @param size of y
 * @param sentinel what no kernel makes of these operands
 * @param run is given y
 * @param given the operands; a copy of each is compared with what is left of it
 */
export function guarded<Y extends Numbers>(
  size: number,
  sentinel: number,
  { ArrayType, spec, given }: { ArrayType: new (length: number) => Y; spec: unknown; given: object },
  run: (y: Y) => void,
): Y {
  const memory = new ArrayType(size + 2 * GUARD).fill(sentinel) as Y;
  const before = structuredClone(given) as Record<string, ArrayLike<number>>;
  const y = memory.subarray(GUARD, GUARD + size) as Y;
  run(y);
  for (let i = 0; i < GUARD; i++) {
    if (memory[i] !== sentinel) throw new Error(`wrote ${GUARD - i} before y: ${JSON.stringify(spec)}`);
    if (memory[GUARD + size + i] !== sentinel) throw new Error(`wrote ${i + 1} after y: ${JSON.stringify(spec)}`);
  }
  if (y.includes(sentinel)) throw new Error(`left y[${y.indexOf(sentinel)}] as it was: ${JSON.stringify(spec)}`);
  for (const [name, values] of Object.entries(given) as [string, Float32Array][]) {
    if (values.some((value, i) => !Object.is(value, before[name][i]))) {
      throw new Error(`changed ${name}: ${JSON.stringify(spec)}`);
    }
  }
  return y;
}
