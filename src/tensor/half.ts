/**
 * 16-bit floats as bits: IEEE 754 binary16 ("float16") and bfloat16. Node 20 has no Float16Array, so a float16 tensor
 * holds its bits in a Uint16Array, as transformers.js does.
 */

const f32 = new Float32Array(1);
const u32 = new Uint32Array(f32.buffer);

/** Every float16 is a float32: exact, NaN stays NaN. */
export function float16ToFloat32(bits: ArrayLike<number>): Float32Array {
  const bitsOut = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) {
    const half = bits[i];
    const sign = (half & 0x8000) << 16;
    const exponent = (half >>> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) {
      // Zero or subnormal: fraction · 2⁻²⁴, which float32 holds as a normal number.
      f32[0] = fraction * 2 ** -24;
      bitsOut[i] = sign | u32[0];
    } else if (exponent === 0x1f) {
      bitsOut[i] = sign | 0x7f800000 | (fraction << 13);
    } else {
      bitsOut[i] = sign | ((exponent + 112) << 23) | (fraction << 13);
    }
  }
  return new Float32Array(bitsOut.buffer);
}

/** Rounds to nearest, ties to even; beyond 65504 becomes infinity; NaN stays NaN. */
export function float32ToFloat16(values: ArrayLike<number>): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    f32[0] = values[i];
    const bits = u32[0];
    const sign = (bits >>> 16) & 0x8000;
    const magnitude = bits & 0x7fffffff;
    if (magnitude > 0x7f800000) {
      out[i] = sign | 0x7e00 | ((magnitude >>> 13) & 0x3ff); // quiet NaN, upper payload kept
    } else if (magnitude >= 0x477ff000) {
      out[i] = sign | 0x7c00; // 65520 and above round to infinity
    } else if (magnitude < 0x38800000) {
      // Below 2⁻¹⁴ the result is subnormal, a multiple of 2⁻²⁴. Adding 0.5 lines the unit of float32's last place
      // (2⁻²⁴ for numbers in [0.5, 1)) up with it, so the addition itself rounds to nearest even.
      f32[0] = Math.abs(f32[0]) + 0.5;
      out[i] = sign | (u32[0] - 0x3f000000);
    } else {
      // Re-bias the exponent (127 → 15), then round the 13 bits that fall off; a carry into the exponent is right.
      const odd = (magnitude >>> 13) & 1;
      out[i] = sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
    }
  }
  return out;
}

/** A bfloat16 is the upper half of a float32. */
export function bfloat16ToFloat32(bits: ArrayLike<number>): Float32Array {
  const bitsOut = new Uint32Array(bits.length);
  for (let i = 0; i < bits.length; i++) bitsOut[i] = bits[i] << 16;
  return new Float32Array(bitsOut.buffer);
}

/** Rounds to nearest, ties to even; NaN stays a quiet NaN. */
export function float32ToBfloat16(values: ArrayLike<number>): Uint16Array {
  const out = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) {
    f32[0] = values[i];
    const bits = u32[0];
    if ((bits & 0x7fffffff) > 0x7f800000) out[i] = (bits >>> 16) | 0x40;
    else out[i] = (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
  }
  return out;
}
