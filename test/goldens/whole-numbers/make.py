"""Golden values of the operations of quantized networks that are no convolutions, as XNNPACK computes them.

    pip install numpy==2.4.6 && python make.py

writes operations.json beside this file. The arithmetic is that of XNNPACK's operators, which LiteRT runs, on raw numbers of uint8 and
int8; AVERAGE_POOL_2D, RESIZE_BILINEAR and ARG_MAX are those of TFLite's reference kernels. A numpy model with the same formulas gave
every byte of every operator of four published networks. Sizes are small, and height differs from width.
"""

import json
import math
import pathlib

import numpy as np

f32 = np.float32
i64 = np.int64
rng = np.random.default_rng(20180113)
cases = []
RANGES = {"uint8": (0, 255), "int8": (-128, 127)}


def value(kind, scale, zero_point):
    return {"type": kind, "scale": float(f32(scale)), "zeroPoint": zero_point}


def raw(kind, *shape):
    """Random numbers, every tenth at one end of its type."""
    lo, hi = RANGES[kind]
    x = rng.integers(lo, hi + 1, shape)
    ends = np.where(rng.random(shape) < 0.5, lo, hi)
    return np.where(rng.random(shape) < 0.1, ends, x)


def case(op, y, to, **rest):
    flat = {key: v.ravel().tolist() if isinstance(v, np.ndarray) else v for key, v in rest.items()}
    cases.append({"op": op, **flat, "to": to, "y": y.ravel().tolist()})


def clip(y, to):
    return np.clip(y, *RANGES[to["type"]])


def add(a, b, qa, qb, to):
    ra, rb = f32(f32(qa["scale"]) / f32(to["scale"])), f32(f32(qb["scale"]) / f32(to["scale"]))
    shift = 20 - (math.frexp(float(max(ra, rb)))[1] - 1)
    ma, mb = int(np.rint(f32(ra * f32(2.0**shift)))), int(np.rint(f32(rb * f32(2.0**shift))))
    bias = (1 << (shift - 1)) - ma * qa["zeroPoint"] - mb * qb["zeroPoint"]
    return clip(((bias + a.astype(i64) * ma + b.astype(i64) * mb) >> shift) + to["zeroPoint"], to)


def mean(x, q, to):
    n = x.shape[1] * x.shape[2]
    total = x.astype(i64).sum((1, 2)) - q["zeroPoint"] * n
    scale = f32(f32(q["scale"]) / f32(f32(n) * f32(to["scale"])))
    lo, hi = (f32(end - to["zeroPoint"]) for end in RANGES[to["type"]])
    return np.rint(np.clip(total.astype(f32) * scale, lo, hi)).astype(i64) + to["zeroPoint"]


def average_pool(x, to):
    n = x.shape[1] * x.shape[2]
    return clip((x.astype(i64).sum((1, 2)) + n // 2) // n, to)


def requantize(x, q, to):
    m = int(np.rint(f32(256) * f32(f32(q["scale"]) / f32(to["scale"]))))
    return clip(((x.astype(i64) - q["zeroPoint"]) * m + (to["zeroPoint"] << 8) + 128) >> 8, to)


def resize(x, oh, ow, align_corners):
    _, h, w, _ = x.shape

    def axis(n, k):
        scale = f32(f32(n - 1) / f32(k - 1)) if align_corners and k > 1 else f32(f32(n) / f32(k))
        at = np.arange(k, dtype=f32)
        at = at * scale if align_corners else (at + f32(0.5)) * scale - f32(0.5)
        before = np.maximum(np.floor(at).astype(int), 0)
        return at.astype(f32), before, np.minimum(np.ceil(at).astype(int), n - 1)

    (y, y0, y1), (c, x0, x1) = axis(h, oh), axis(w, ow)
    fy = (y - y0.astype(f32)).astype(f32)[None, :, None, None]
    fx = (c - x0.astype(f32)).astype(f32)[None, None, :, None]
    one = f32(1)
    corner = lambda r, s: x.astype(f32)[:, r][:, :, s]
    v = corner(y0, x0) * (one - fy) * (one - fx)
    v = v + corner(y1, x0) * fy * (one - fx)
    v = v + corner(y0, x1) * (one - fy) * fx
    v = v + corner(y1, x1) * fy * fx
    return (v + f32(0.5)).astype(i64)


for kind, scales, zeros in [
    ("uint8", (0.31, 0.27, 0.35), (120, 131, 125)),
    ("int8", (0.02, 0.4, 0.41), (-3, 12, -90)),
    ("int8", (1.7, 0.001, 0.9), (127, -128, 5)),
    ("uint8", (0.1, 0.1, 0.1), (0, 0, 0)),
    ("uint8", (0.01, 0.012, 8.0), (7, 9, 128)),
]:
    qa, qb, to = (value(kind, s, z) for s, z in zip(scales, zeros))
    a, b = raw(kind, 301), raw(kind, 301)
    case("add", add(a, b, qa, qb, to), to, x=a, other=b, **{"from": qa}, otherFrom=qb)

for kind, h, w, c, s, so, z, zo in [
    ("int8", 7, 7, 19, 0.0235, 0.0121, -128, -128),
    ("int8", 3, 2, 33, 0.5, 0.5, 3, 3),
    ("uint8", 5, 4, 9, 0.02, 0.013, 0, 4),
    ("int8", 1, 1, 8, 0.1, 0.2, 0, 0),
]:
    q, to = value(kind, s, z), value(kind, so, zo)
    x = raw(kind, 1, h, w, c)
    case("mean", mean(x, q, to), to, x=x, height=h, width=w, channels=c, **{"from": q})

for h, w, c, z in [(7, 7, 19, 0), (4, 3, 33, 130), (1, 2, 8, 255), (5, 5, 5, 17)]:
    q = value("uint8", 0.0235, z)
    x = raw("uint8", 1, h, w, c)
    case("average_pool", average_pool(x, q), q, x=x, height=h, width=w, channels=c, **{"from": q})

for kind, s, so, z, zo in [
    ("uint8", 0.031, 0.024, 3, 0),
    ("int8", 0.5, 0.002, -7, 9),
    ("int8", 0.01, 0.011, 0, -128),
    ("uint8", 0.02, 0.02, 128, 128),
]:
    q, to = value(kind, s, z), value(kind, so, zo)
    x = raw(kind, 301)
    case("requantize", requantize(x, q, to), to, x=x, **{"from": q})

for h, w, c, oh, ow, align_corners in [
    (3, 4, 5, 7, 10, True),
    (5, 3, 4, 9, 9, True),
    (9, 7, 6, 4, 3, True),
    (1, 1, 8, 3, 2, True),
    (4, 5, 7, 1, 9, True),
    (3, 4, 5, 7, 10, False),
    (9, 8, 4, 4, 3, False),
]:
    q = value("uint8", 0.1, 77)
    x = raw("uint8", 1, h, w, c)
    y = resize(x, oh, ow, align_corners)
    sizes = {"height": h, "width": w, "channels": c, "outHeight": oh, "outWidth": ow, "alignCorners": align_corners}
    case("resize", y, q, x=x, **sizes, **{"from": q})

for pixels, channels in [(40, 21), (9, 8), (9, 3), (5, 40)]:
    x = rng.integers(0, 9, (pixels, channels)) * 20  # many are equal
    q = value("uint8", 0.1, 50)
    case("argmax", x.argmax(-1), q, x=x, pixels=pixels, channels=channels, **{"from": q})

path = pathlib.Path(__file__).with_name("operations.json")
path.write_text("[\n" + ",\n".join(json.dumps(one, separators=(",", ":")) for one in cases) + "\n]\n")
print(len(cases), "cases,", path.stat().st_size, "bytes")
