/**
 * The bytes of WebAssembly's binary format: integers, floats, vectors and sections.
 * Source: WebAssembly Core Specification, chapter 5 "Binary Format".
 */

/** Unsigned LEB128: seven bits a byte, lowest first, the top bit says that more follow (section 5.2.2). */
export function u32(value: number): number[] {
  if (!Number.isInteger(value) || value < 0 || value > 0xffffffff) throw new RangeError(`u32: ${value}`);
  const bytes: number[] = [];
  let rest = value;
  do {
    const low = rest % 128;
    rest = Math.floor(rest / 128); // not >>>: the value may need all 32 bits
    bytes.push(rest === 0 ? low : low | 0x80);
  } while (rest !== 0);
  return bytes;
}

/**
 * Signed LEB128. The last byte's bit 6 is the sign, so 63 takes one byte and 64 takes two, -64 one and -65 two.
 * Takes any number that fits 32 bits signed or unsigned; 2³²−1 and −1 are the same bits.
 */
export function s32(value: number): number[] {
  if (!Number.isInteger(value) || value < -(2 ** 31) || value > 0xffffffff) throw new RangeError(`i32: ${value}`);
  const bytes: number[] = [];
  let rest = value | 0;
  for (;;) {
    const low = rest & 0x7f;
    rest >>= 7;
    const done = (rest === 0 && (low & 0x40) === 0) || (rest === -1 && (low & 0x40) !== 0);
    bytes.push(done ? low : low | 0x80);
    if (done) return bytes;
  }
}

/** IEEE 754 binary32, little-endian. */
export function f32Bytes(value: number): number[] {
  return [...new Uint8Array(new Float32Array([value]).buffer)];
}

/** IEEE 754 binary64, little-endian. */
export function f64Bytes(value: number): number[] {
  return [...new Uint8Array(new Float64Array([value]).buffer)];
}

/** Length in bytes, then UTF-8. */
export function name(text: string): number[] {
  const bytes = new TextEncoder().encode(text);
  return [...u32(bytes.length), ...bytes];
}

/** One after another. By `flat` and spreading, emitting the kernels takes 15 ms; so it takes 11. */
export function joined(parts: Iterable<readonly number[]>): number[] {
  const bytes: number[] = [];
  for (const part of parts) for (let i = 0; i < part.length; i++) bytes.push(part[i]);
  return bytes;
}

/** Length in items, then the items. */
export function vector(items: readonly (readonly number[])[]): number[] {
  return joined([u32(items.length), ...items]);
}

/** Id, length in bytes, contents. */
export function section(id: number, contents: readonly number[]): number[] {
  return joined([[id], u32(contents.length), contents]);
}
