"""observers.json: what numpy says of the numbers in test/quantize/observers.test.ts. `python3 test/goldens/quantize/observers.py`"""

import json
from pathlib import Path

import numpy as np

COUNT = 100_000


def waves(count, frequency):
    """test/helpers/waves.ts"""
    return np.sin(np.arange(count, dtype=np.float64) * frequency).astype(np.float32).astype(np.float64)


def picture(n, kind):
    x = waves(COUNT, 0.37 + n / 10)
    cube = x * x * x
    wide = (n + 1) * 3 * (cube * cube * cube)
    wide[7::20_000] *= 8
    wide = wide.astype(np.float32)
    return np.clip(wide, 0, 6) if kind == "relu6" else (wide.astype(np.float64) + 0.25).astype(np.float32)


def error(values, low, high, least, most):
    low, high = min(low, 0.0), max(high, 0.0)
    scale = (high - low) / (most - least)
    zero = round(least - low / scale)
    raw = np.clip(np.rint(values / scale) + zero, least, most)
    return float(np.mean((scale * (raw - zero) - values) ** 2))


def best(values, least, most):
    """Of all ranges drawn in alike at both ends, tried out on the numbers themselves."""
    low, high = float(values.min()), float(values.max())
    tried = [(error(values, low * part, high * part, least, most), part) for part in np.linspace(1, 0.3, 141)]
    lowest, part = min(tried)
    return {"range": [low * part, high * part], "error": lowest}


def golden(kind):
    pictures = [picture(n, kind) for n in range(3)]
    every = np.sort(np.concatenate(pictures).astype(np.float64))
    outside = int(len(every) * 1e-5)
    return {
        "minmax": [float(every[0]), float(every[-1])],
        "average": [float(np.mean([p.min() for p in pictures], dtype=np.float64)), float(np.mean([p.max() for p in pictures], dtype=np.float64))],
        "percentile": [float(every[outside]), float(every[-1 - outside])],
        "mse": {"int8": best(every, -128, 127), "int16": best(every, -2048, 2047)},
    }


Path(__file__).with_suffix(".json").write_text(json.dumps({kind: golden(kind) for kind in ("linear", "relu6")}, indent=1) + "\n")
