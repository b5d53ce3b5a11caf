"""Says what Pillow makes of JPEGs at 1/2, 1/4 and 1/8, and of coefficients that no encoder writes.

    pip install pillow==13.0.0 numpy       # on x86 with AVX2: beyond what encoders write, other processors differ
    python test/goldens/images/jpeg_samples.py

jpeg_samples.json: `draft` has files of examples/ and of jpeg_matrix.bin after `draft('RGB', size)`, turned by EXIF; `scaled` has the sha256 of the pixels (grey as L, all else as RGB) of files of jpeg_matrix.bin by name and
scale; `hostile` those of the files in jpeg_samples.bin, of which each begins at `at` and has `bytes` bytes.
"""

import hashlib
import io
import json
import pathlib
import struct

import numpy as np
from PIL import Image, ImageOps

HERE = pathlib.Path(__file__).parent
ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))


def sha256(file, scale):
    image = Image.open(io.BytesIO(file))
    # What draft() sets, which stops at sizes below the one asked for.
    image._size = tuple((side + scale - 1) // scale for side in image.size)
    image.tile = [image.tile[0]._replace(extents=(0, 0, *image.size))]
    image.decoderconfig = (scale, 0)
    image.load()
    return hashlib.sha256((image if image.mode == "L" else image.convert("RGB")).tobytes()).hexdigest()


def drafted(file, size):
    """`size` is that of the picture upright."""
    image = Image.open(io.BytesIO(file))
    turned = image.getexif().get(0x0112) in (5, 6, 7, 8)
    image.draft("RGB", size[::-1] if turned else size)
    upright = ImageOps.exif_transpose(image)
    return {"size": size, "width": upright.width, "height": upright.height, "sha256": hashlib.sha256(upright.tobytes()).hexdigest()}


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + bytes(content)


def signed(value):
    """Its size, and its bits as T.81 has them."""
    size = int(abs(value)).bit_length()
    return size, format(value if value >= 0 else value + 2**size - 1, f"0{size}b") if size else ""


def ac_code(symbol):
    return format(symbol, "08b") if symbol < 128 else format(symbol + 128, "09b")


def grey(blocks, quant):
    """A JPEG of [rows, columns, 64] coefficients in natural order. Codes are so long that all symbols have one."""
    bits, before = [], 0
    for block in blocks.reshape(-1, 64).tolist():
        size, value = signed(block[0] - before)
        bits += [format(size, "05b"), value]
        before, run = block[0], 0
        for k in range(1, 64):
            size, value = signed(block[ZIGZAG[k]])
            if size == 0:
                run += 1
                continue
            bits += [ac_code(0xF0)] * (run // 16) + [ac_code(run % 16 * 16 + size), value]
            run = 0
        bits += [ac_code(0)] if run else []
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = bytes(int(text[i:i + 8], 2) for i in range(0, len(text), 8)).replace(b"\xff", b"\xff\0")
    h, w = (8 * side for side in blocks.shape[:2])
    table = b"".join(struct.pack(">H", quant[natural]) for natural in ZIGZAG)
    dc = bytes([0, 0, 0, 0, 0, 16]) + bytes(11) + bytes(range(16))
    ac = bytes([0x10]) + bytes(7) + bytes([128, 128]) + bytes(7) + bytes(range(256))
    return (b"\xff\xd8" + segment(0xDB, b"\x10" + table) + segment(0xC1, struct.pack(">BHHBBBB", 8, h, w, 1, 1, 0x11, 0))
            + segment(0xC4, dc + ac) + segment(0xDA, [1, 1, 0, 0, 63, 0]) + data + b"\xff\xd9")  # fmt: skip


def hostile(rng):
    """Blocks with few coefficients and with many, small and as large as 16 bits hold, times quantisers of all sizes."""
    most = rng.choice([40, 256, 65536])
    quant = rng.integers(0 if most > 256 else 1, most, 64)
    blocks = np.zeros((4, 5, 64), int)
    for block in blocks.reshape(-1, 64):
        largest = rng.choice([3, 200, 2000, 32767])
        count = rng.choice([1, 10, 20, 64])
        where = rng.choice([ZIGZAG, list(range(64)), [8 * i % 63 for i in range(64)]])[1:count]
        block[where] = rng.integers(-largest, largest + 1, len(where)) * rng.integers(0, 2, len(where))
        block[0] = rng.integers(-1024, 1024) * rng.choice([1, 1, 15])
    return grey(blocks, quant)


def main():
    matrix = (HERE / "jpeg_matrix.bin").read_bytes()
    entries = json.loads((HERE / "jpeg_matrix.json").read_text())
    scaled = {
        name: {scale: sha256(matrix[entry["at"]:entry["at"] + entry["bytes"]], scale) for scale in (2, 4, 8)}
        for name, entry in entries.items()
        if "error" not in entry and entry["kind"] in ("samplings", "small", "grey", "rgb", "cmyk", "large")
    }
    draft = []
    for name in ("dog.jpg", "coffee.jpg"):
        file = (HERE.parents[2] / "examples" / name).read_bytes()
        w, h = Image.open(io.BytesIO(file)).size
        for size in ((w, h), (w // 2, h // 2), (w // 2 + 1, h // 2), (w // 4, 1), (w // 4, h // 4 + 1), (60, 40), (1, 1)):
            draft.append({"file": f"examples/{name}", **drafted(file, size)})
    for name, entry in entries.items():
        if entry["kind"] == "exif":
            file = matrix[entry["at"]:entry["at"] + entry["bytes"]]
            w, h = entry["width"], entry["height"]
            draft += [{"file": name, **drafted(file, size)} for size in ((w // 2, h // 2), (1, h // 2), (w // 2, 1), (1, 1))]
    rng = np.random.default_rng(13)
    files, rows = b"", []
    for file in (hostile(rng) for _ in range(24)):
        rows.append({"at": len(files), "bytes": len(file), "sha256": {s: sha256(file, s) for s in (1, 2, 4, 8)}})
        files += file
    (HERE / "jpeg_samples.bin").write_bytes(files)
    (HERE / "jpeg_samples.json").write_text(json.dumps({"draft": draft, "scaled": scaled, "hostile": rows}, indent=1) + "\n")
    print(f"{len(scaled)} files scaled, {len(rows)} hostile in {len(files)} bytes")


if __name__ == "__main__":
    main()
