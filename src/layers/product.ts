export const LANE = 16384;
export const X0 = new Float64Array(LANE);
export const X1 = new Float64Array(LANE);
export const X2 = new Float64Array(LANE);
const W0 = new Float64Array(LANE);
const W1 = new Float64Array(LANE);
const x0 = X0;
const x1 = X1;
const x2 = X2;
const S = new Float64Array(6);

function dot(i: number, C: number): void {
  let a00 = 0;
  let a01 = 0;
  let a10 = 0;
  let a11 = 0;
  let a20 = 0;
  let a21 = 0;
  for (let c = 0; c < C; c++) {
    const v0 = x0[i];
    const v1 = x1[i];
    const v2 = x2[i];
    const u0 = W0[c];
    const u1 = W1[c];
    a00 += v0 * u0;
    a01 += v0 * u1;
    a10 += v1 * u0;
    a11 += v1 * u1;
    a20 += v2 * u0;
    a21 += v2 * u1;
    i = (i + 1) | 0;
  }
  S[0] = a00;
  S[1] = a01;
  S[2] = a10;
  S[3] = a11;
  S[4] = a20;
  S[5] = a21;
}

export function multiplyBlock(
  first: number,
  count: number,
  C: number,
  K: number,
  w: Float32Array,
  bias: Float32Array,
  biasAt: number,
  residual: Float32Array,
  y: Float32Array,
  lo: number,
  hi: number,
): void {
  const B = Math.ceil(count / 3);
  const in1 = count - B; 
  const in2 = count - 2 * B;
  const adds = residual.length > 0;
  for (let k = 0; k < K; k += 2) {
    const pair = k + 1 < K;
    for (let c = 0, i = k * C; c < C; c++, i = (i + 1) | 0) W0[c] = w[i];
    if (pair) for (let c = 0, i = (k + 1) * C; c < C; c++, i = (i + 1) | 0) W1[c] = w[i];
    const b0 = bias[biasAt + k];
    const b1 = pair ? bias[biasAt + k + 1] : 0;
    let i = 0;
    for (let t = 0; t < B; t++) {
      dot(i, C);
      i += C;
      for (let r = 0; r < 3; r++) {
        if (r==1 && t >= in1 || r==2 && t>=in2) break;
        const o = (first + t + r * B) * K + k;
        let a = b0 + S[2 * r];
        let b = b1 + S[2 * r + 1];
        if (adds) {a += residual[o]; b += residual[o + 1]}
        if (lo === 0) {
          a = 0.5 * (a + Math.abs(a));
          b = 0.5 * (b + Math.abs(b));
        }
        y[o] = a > hi ? hi : a;
        if (pair) y[o + 1] = b > hi ? hi : b;
      }
    }
  }
}
