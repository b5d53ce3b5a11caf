"""Makes JPEGs of every kind that libjpeg-turbo writes or forgives, and says what Pillow sees in each.

    apt install libjpeg-turbo-progs
    pip install pillow==13.0.0 numpy
    python test/goldens/images/jpeg_matrix.py FOLDER      # FOLDER/NAME.jpg, matrix.json, pixels.bin: 3,000 files, 20 MB
    python test/goldens/images/jpeg_matrix.py --golden    # jpeg_matrix.bin and .json here: the smallest of every kind

`node scripts/jpeg-matrix.mjs FOLDER` compares our decoder with them; test/codecs/jpeg-matrix.test.ts does so in the tests.

matrix.json: for each file its kind, and `width`, `height`, `channels` and `sha256` of Pillow's pixels (grey as L, all else
as RGB, turned by EXIF), and of those that `draft` gives (`scaled`); or `error`, where Pillow refuses it. In pixels.bin lie the pixels of all files in that order.
jpeg_matrix.bin holds the files one after the other; each begins at its `at` and has `bytes` bytes.

The names alone seed the pictures, so a file stays the same when others join.
"""

import hashlib
import io
import itertools
import json
import pathlib
import re
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image, ImageOps

warnings.simplefilter("ignore")
HERE = pathlib.Path(__file__).parent
PHOTO = np.asarray(Image.open(HERE.parents[2] / "examples/dog.jpg").convert("RGB"))

# Luma's sampling factors, and those of both chromas; then what few encoders write and libjpeg reads.
COMMON = {
    "444": "1x1,1x1,1x1", "422": "2x1,1x1,1x1", "420": "2x2,1x1,1x1", "440": "1x2,1x1,1x1", "411": "4x1,1x1,1x1",
    "410": "4x2,1x1,1x1",
}
ODD = {
    "h1v4": "1x4,1x1,1x1", "h3v1": "3x1,1x1,1x1", "h1v3": "1x3,1x1,1x1", "h3v2": "3x2,1x1,1x1", "h2v3": "2x3,1x1,1x1",
    "h2v4": "2x4,1x1,1x1", "chroma_wide": "2x2,2x1,2x1", "mixed": "2x2,1x2,2x1", "mixed2": "2x2,2x1,1x1", "mixed3": "4x1,2x1,1x1",
    "chroma_finer": "1x1,2x2,1x1", "chroma_finer2": "1x1,1x1,2x1", "all_2x2": "2x2,2x2,1x1", "all_2x1": "2x1,2x1,2x1",
    "v2h2": "1x2,1x1,1x2",
}
FRACTIONS = {"3_2": (0x31, 0x21), "2_3": (0x21, 0x31), "v3_2": (0x13, 0x12)}
SAMPLINGS = {**COMMON, **ODD}


# Pictures. Seeded by the name of the file.

def rng_of(name):
    return np.random.default_rng(zlib.crc32(name.encode()))


def gradient(rng, h, w):
    y, x = np.mgrid[0:h, 0:w] / max(h, w, 2)
    corners = rng.uniform(-60, 315, (3, 3))
    return np.stack([a + (b - a) * x + (c - a) * y for a, b, c in corners], -1)


def noise(rng, h, w):
    return rng.uniform(0, 256, (h, w, 3))


def edges(rng, h, w):
    picture = np.full((h, w, 3), rng.uniform(0, 256, 3))
    for _ in range(rng.integers(1, 8)):
        top, left = rng.integers(0, h), rng.integers(0, w)
        picture[top:top + rng.integers(1, h + 1), left:left + rng.integers(1, w + 1)] = rng.uniform(0, 256, 3)
    return picture


def saturated(rng, h, w):
    return np.kron(rng.integers(0, 2, (-(-h // 3), -(-w // 3), 3)) * 255.0, np.ones((3, 3, 1)))[:h, :w]


def photo(rng, h, w):
    top, left = rng.integers(0, PHOTO.shape[0] - h), rng.integers(0, PHOTO.shape[1] - w)
    return PHOTO[top:top + h, left:left + w]


def flat(rng, h, w):
    return np.full((h, w, 3), rng.integers(0, 256, 3))


CONTENTS = [gradient, noise, edges, saturated, photo, photo, edges, gradient, flat]


def picture(rng, w, h):
    content = CONTENTS[rng.integers(0, len(CONTENTS))]
    return Image.fromarray(np.clip(np.rint(content(rng, h, w)), 0, 255).astype(np.uint8))


# Encoders.

def pillow(image, **options):
    file = io.BytesIO()
    image.save(file, "JPEG", **options)
    return file.getvalue()


def run(*arguments, data):
    done = subprocess.run([str(a) for a in arguments], input=data, capture_output=True)
    if not done.stdout:
        raise RuntimeError(f"{arguments}: {done.stderr.decode()}")
    return done.stdout


def cjpeg(image, *arguments):
    kind = b"P5" if image.mode == "L" else b"P6"
    header = b"%s\n%d %d\n255\n" % (kind, image.width, image.height)
    return run("cjpeg", *arguments, data=header + image.tobytes())


def scans(text):
    """A file with a scan script, for cjpeg and jpegtran."""
    file = pathlib.Path(tempfile.gettempdir()) / f"scans-{zlib.crc32(text.encode()):08x}.txt"
    file.write_text(text)
    return file


# Surgery.

def segments(data):
    """(marker, start, end) of each; a scan ends where its data end."""
    found, at = [], 2
    while at + 4 <= len(data):
        marker, end = data[at + 1], at + 2 + int.from_bytes(data[at + 2:at + 4], "big")
        if marker == 0xD9:
            break
        if marker == 0xDA:
            while not (data[end] == 0xFF and data[end + 1] not in (0, *range(0xD0, 0xD8))):
                end += 1
        found.append((marker, at, end))
        at = end
    return found


def find(data, marker, nth=0):
    return [s for s in segments(data) if s[0] == marker][nth][1:]


def without(data, *markers):
    keep = [data[start:end] for marker, start, end in segments(data) if marker not in markers]
    return data[:2] + b"".join(keep) + b"\xff\xd9"


def insert(data, at, more):
    return data[:at] + more + data[at:]


def put(data, at, byte):
    return data[:at] + bytes([byte]) + data[at + 1:]


def segment(marker, content):
    return struct.pack(">BBH", 0xFF, marker, len(content) + 2) + content


def adobe(transform):
    return segment(0xEE, b"Adobe" + struct.pack(">HHHB", 100, 0, 0, transform))


def with_ids(data, ids):
    """Other names for the components, in the frame and in every scan."""
    out = bytearray(data)
    for marker, start, _ in segments(data):
        if marker in (0xC0, 0xC1, 0xC2):
            old = [data[start + 10 + 3 * i] for i in range(data[start + 9])]
            for i, name in enumerate(ids):
                out[start + 10 + 3 * i] = name
        if marker == 0xDA:
            for i in range(data[start + 4]):
                out[start + 5 + 2 * i] = ids[old.index(data[start + 5 + 2 * i])]
    return bytes(out)


def restarts(data):
    start, end = find(data, 0xDA)
    return [i for i in range(start, end - 1) if data[i] == 0xFF and 0xD0 <= data[i + 1] <= 0xD7]


# Kinds: generators of (name, file).

def sizes(count, salt=0):
    """Pairs in which every number from 1 to 33 stands on either side."""
    rng = np.random.default_rng(salt)
    pairs = list(zip(rng.permutation(33) + 1, rng.permutation(33) + 1))
    return [(int(w), int(h)) for w, h in itertools.islice(itertools.cycle(pairs), count)]


def any_of(rng, *values):
    return values[rng.integers(0, len(values))]


def samplings():
    """Every sampling in every width and every height."""
    for s, (sampling, factors) in enumerate(SAMPLINGS.items()):
        for mode in ("baseline", "progressive"):
            for w, h in sizes(33 if sampling in COMMON else 17, 2 * s + (mode == "baseline")):
                name = f"{sampling}-{mode}-{w}x{h}"
                rng = rng_of(name)
                options = ["-progressive"] if mode == "progressive" else any_of(rng, [], ["-optimize"])
                quality = any_of(rng, 30, 60, 75, 90, 95, 100)
                yield name, cjpeg(picture(rng, w, h), "-quality", quality, "-sample", factors, *options)


def small():
    """All sizes up to 5, where edges are most of a picture."""
    for (w, h), sampling in itertools.product(itertools.product(range(1, 6), repeat=2), ("420", "422", "440")):
        name = f"small-{sampling}-{w}x{h}"
        yield name, cjpeg(noise_image(name, w, h), "-quality", 95, "-sample", COMMON[sampling])


def noise_image(name, w, h):
    return Image.fromarray(noise(rng_of(name), h, w).astype(np.uint8))


def qualities():
    for quality, sampling in itertools.product(range(1, 101), (0, 2)):
        name = f"quality-{quality}-{'420' if sampling else '444'}"
        rng = rng_of(name)
        w, h = (int(v) for v in rng.integers(9, 34, 2))
        yield name, pillow(picture(rng, w, h), quality=quality, subsampling=sampling, progressive=quality % 3 == 0)


def restart_intervals():
    for sampling, interval, mode in itertools.product(COMMON, (1, 2, 3, 5, 8), ("", "-optimize", "-progressive")):
        name = f"restart-{sampling}-{interval}{mode}"
        rng = rng_of(name)
        options = [mode] if mode else []
        yield name, cjpeg(picture(rng, 40, 37), "-sample", COMMON[sampling], "-restart", f"{interval}B", *options)
    for sampling, rows in itertools.product(COMMON, (1, 2)):
        name = f"restart-{sampling}-rows{rows}"
        yield name, cjpeg(picture(rng_of(name), 40, 50), "-sample", COMMON[sampling], "-restart", rows)


def grey():
    for mode in ("", "-optimize", "-progressive"):
        for w, h in sizes(33, 99):
            name = f"grey{mode}-{w}x{h}"
            options = [mode] if mode else []
            yield name, cjpeg(picture(rng_of(name), w, h).convert("L"), *options)
    for factors in ("2x2", "1x2", "4x1", "3x3"):  # mean nothing where there is one component
        for w, h in sizes(6, 98):
            name = f"grey-sampled-{factors}-{w}x{h}"
            yield name, cjpeg(picture(rng_of(name), w, h).convert("L"), "-sample", factors)


def rgb():
    for (w, h), mode in itertools.product(sizes(20, 97), ("", "-progressive")):
        name = f"rgb{mode}-{w}x{h}"
        yield name, cjpeg(picture(rng_of(name), w, h), "-rgb", "-quality", 90, *([mode] if mode else []))
    for w, h in sizes(10, 96):
        name = f"rgb-pillow-{w}x{h}"
        yield name, pillow(picture(rng_of(name), w, h), keep_rgb=True)
    for factors in ("2x2,1x1,1x1", "1x1,2x2,1x1", "1x1,1x1,2x1"):
        name = f"rgb-sampled-{factors}"
        yield name, cjpeg(picture(rng_of(name), 21, 19), "-rgb", "-sample", factors)


def cmyk_image(rng, w, h):
    return Image.merge("CMYK", [*picture(rng, w, h).split(), picture(rng, w, h).convert("L")])


def cmyk():
    """Adobe's transform 0 is CMYK, 2 is YCCK; both are stored inverted. Without Adobe's segment it is CMYK as it is."""
    for (w, h), sampling, progressive in itertools.product(sizes(12, 95), (0, 1, 2), (False, True)):
        name = f"cmyk-{w}x{h}-{sampling}{'-progressive' if progressive else ''}"
        rng = rng_of(name)
        data = pillow(cmyk_image(rng, w, h), quality=any_of(rng, 50, 75, 95), subsampling=sampling, progressive=progressive)
        yield name, data
        yield name.replace("cmyk", "ycck"), put(data, find(data, 0xEE)[0] + 15, 2)
        if progressive:
            yield name + "-transform1", put(data, find(data, 0xEE)[0] + 15, 1)
            yield name + "-no-adobe", without(data, 0xEE)
            yield name + "-jfif", data[:2] + segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0") + without(data, 0xEE)[2:]


def markers():
    """What libjpeg makes of JFIF, Adobe's segment and the components' names when they disagree."""
    heads = {"jfif": lambda d: d, "bare": lambda d: without(d, 0xE0)}
    names = {"123": (1, 2, 3), "RGB": tuple(b"RGB"), "rgb": tuple(b"rgb"), "012": (0, 1, 2), "YCC": tuple(b"YCC"),
             "1,34,35": (1, 34, 35), "321": (3, 2, 1)}  # fmt: skip
    for (head, change), (ids, values), sampling in itertools.product(heads.items(), names.items(), ("444", "420")):
        if len(set(values)) < 3:
            values = (ord("Y"), ord("C"), ord("c"))
        for transform in (None, 0, 1, 2, 3):
            name = f"markers-{head}-{ids}-adobe{transform}-{sampling}"
            data = with_ids(change(cjpeg(picture(rng_of(name), 18, 17), "-sample", COMMON[sampling])), values)
            yield name, data if transform is None else insert(data, 2 if head == "bare" else 20, adobe(transform))
    base = cjpeg(picture(rng_of("markers"), 19, 14))
    yield "markers-short-adobe", insert(base, 20, segment(0xEE, b"Adobe\0\x64\0\0"))
    yield "markers-adobe-before-jfif", insert(base, 2, adobe(0))
    yield "markers-two-adobe", insert(without(base, 0xE0), 2, adobe(0) + adobe(1))
    yield "markers-jfif-later", insert(without(base, 0xE0), 2, segment(0xFE, b"a comment") + base[2:20])
    yield "markers-long-comment", insert(base, 20, segment(0xFE, bytes(60000)))
    yield "markers-jfxx", insert(base, 20, segment(0xE0, b"JFXX\0\x10"))
    yield "markers-icc", insert(base, 20, segment(0xE2, b"ICC_PROFILE\0\1\1" + bytes(50)))
    # Too late: colours and orientation are settled when the first scan begins.
    for mode, n in (("", 0), ("-progressive", 1), ("-progressive", 5)):
        late = with_ids(without(cjpeg(picture(rng_of("markers-late"), 19, 14), *filter(None, [mode])), 0xE0), b"RGB")
        end = find(late, 0xDA, n)[1]
        yield f"markers-jfif-after-scan{n}{mode}", insert(late, end, base[2:20])
        yield f"markers-adobe-after-scan{n}{mode}", insert(late, end, adobe(1))
        yield f"markers-exif-after-scan{n}{mode}", insert(late, end, exif_block(3))
    grey = cjpeg(picture(rng_of("markers-grey"), 19, 14).convert("L"))
    for transform in (0, 1, 2):
        yield f"markers-grey-adobe{transform}", insert(without(grey, 0xE0), 2, adobe(transform))


def exif_block(orientation):
    block = b"Exif\0\0MM\0*\0\0\0\x08\0\1\x01\x12\0\3\0\0\0\1\0" + bytes([orientation, 0, 0, 0, 0, 0, 0])
    return segment(0xE1, block)


def exif():
    for orientation, sampling, size in itertools.product(range(0, 10), (0, 2), ((20, 11), (9, 33))):
        name = f"exif-{orientation}-{'420' if sampling else '444'}-{size[0]}x{size[1]}"
        tags = Image.Exif()
        tags[0x0112] = orientation
        yield name, pillow(picture(rng_of(name), *size), subsampling=sampling, exif=tags, progressive=size[0] == 9)
    for orientation in range(1, 9):
        name = f"exif-big-endian-{orientation}"
        yield name, insert(cjpeg(picture(rng_of(name), 13, 10)), 20, exif_block(orientation))
        yield name + "-grey", insert(cjpeg(picture(rng_of(name), 13, 10).convert("L")), 20, exif_block(orientation))


def quantization():
    """Tables of 16 bits, which low qualities need; tables of our own; one for each component; tables between scans."""
    for quality, sampling, mode in itertools.product((1, 2, 3, 5, 8), ("444", "420"), ("", "-progressive")):
        name = f"dqt16-{quality}-{sampling}{mode}"
        options = [mode] if mode else []
        yield name, cjpeg(picture(rng_of(name), 30, 26), "-quality", quality, "-sample", COMMON[sampling], *options)
    for i in range(24):
        name = f"dqt-random-{i}"
        rng = rng_of(name)
        tables = [[int(v) for v in rng.integers(1, any_of(rng, 3, 40, 256), 64)] for _ in range(1 + i % 3)]
        yield name, pillow(picture(rng, 27, 22), qtables=tables, subsampling=i % 3, progressive=i % 2 == 0)
    base = cjpeg(picture(rng_of("dqt"), 24, 20), "-sample", "1x1")
    at = find(base, 0xDB)[0]
    yield "dqt-zero", put(base, at + 9, 0)
    yield "dqt-zero-dc", put(base, at + 5, 0)
    wide = b"".join(struct.pack(">H", v) for v in base[at + 5:at + 69])
    yield "dqt-16-in-baseline", base[:at] + segment(0xDB, b"\x10" + wide) + base[at + 69:]
    yield "dqt-all-65535", base[:at] + segment(0xDB, b"\x10" + b"\xff" * 128) + base[at + 69:]
    script = scans("0;1;2;")
    parted = run("jpegtran", "-scans", script, data=base)
    second = find(parted, 0xDA, 1)[0]
    table = parted[at:at + 69]
    yield "dqt-replaced-between-scans", insert(parted, second, segment(0xDB, b"\0" + bytes([3] * 64)))
    yield "dqt-repeated-between-scans", insert(parted, second, table)
    yield "dqt-missing", without(base, 0xDB)
    f = find(base, 0xC0)[0]
    yield "dqt-slot3-missing", put(base, f + 12, 3)


SEQUENTIAL = {"0-1-2": "0;1;2;", "0-12": "0;1 2;", "01-2": "0 1;2;", "2-1-0": "2;1;0;", "02-1": "0 2;1;"}
PROGRESSIVE = {
    "dc-only": "0 1 2: 0-0, 0, 0;",
    "dc-coarse": "0 1 2: 0-0, 0, 1;",
    "dc-apart": "0: 0-0, 0, 0; 1: 0-0, 0, 0; 2: 0-0, 0, 0;",
    "spectral": "0 1 2: 0-0, 0, 0; 0: 1-63, 0, 0; 1: 1-63, 0, 0; 2: 1-63, 0, 0;",
    "spectral-luma": "0 1 2: 0-0, 0, 0; 0: 1-63, 0, 0;",
    "spectral-few": "0 1 2: 0-0, 0, 0; 0: 1-5, 0, 0; 2: 1-5, 0, 0;",
    "spectral-5": "0 1 2: 0-0, 0, 0; 0: 1-5, 0, 0; 0: 6-63, 0, 0; 1: 1-20, 0, 0; 1: 21-63, 0, 0; 2: 1-63, 0, 0;",
    "dc-refined": "0 1 2: 0-0, 0, 2; 0 1 2: 0-0, 2, 1; 0 1 2: 0-0, 1, 0;",
    "dc-refined-halfway": "0 1 2: 0-0, 0, 3; 0 1 2: 0-0, 3, 2;",
    "ac-coarse": "0 1 2: 0-0, 0, 1; 0: 1-63, 0, 2; 1: 1-63, 0, 1; 2: 1-63, 0, 1;",
    "ac-refined": "0 1 2: 0-0, 0, 0; 0: 1-63, 0, 3; 0: 1-63, 3, 2; 0: 1-63, 2, 1; 0: 1-63, 1, 0; 1: 1-63, 0, 1; 1: 1-63, 1, 0; 2: 1-63, 0, 0;",
    "ac-refined-halfway": "0 1 2: 0-0, 0, 0; 0: 1-63, 0, 2; 0: 1-63, 2, 1; 1: 1-63, 0, 2; 2: 1-63, 0, 1;",
    "ac-first": "0 1 2: 0-0, 0, 1; 0: 1-5, 0, 2; 2: 1-63, 0, 1; 1: 1-63, 0, 1; 0: 6-63, 0, 2; 0: 1-63, 2, 1;",
    "deep": "0 1 2: 0-0, 0, 5; 0: 1-63, 0, 6; 1: 1-63, 0, 5; 2: 1-63, 0, 5;",
    "no-chroma-ac": "0 1 2: 0-0, 0, 1; 0: 1-5, 0, 2; 0: 6-63, 0, 2; 0: 1-63, 2, 1; 0 1 2: 0-0, 1, 0; 0: 1-63, 1, 0;",
}  # fmt: skip


def scan_scripts():
    """Several scans; progressive ones that stop early, whose blocks libjpeg smooths."""
    for (script, text), sampling, interval in itertools.product(SEQUENTIAL.items(), COMMON, (0, 1, 3)):
        name = f"scans-{script}-{sampling}-{interval}"
        w, h = (int(v) for v in rng_of(name + "size").integers(1, 34, 2))
        image = picture(rng_of(name), w, h)
        yield name, cjpeg(image, "-sample", COMMON[sampling], "-scans", scans(text), "-restart", f"{interval}B")
    for (script, text), sampling in itertools.product(PROGRESSIVE.items(), ("444", "422", "420", "440", "410", "mixed")):
        for large in (False, True):
            name = f"progressive-{script}-{sampling}{'-large' if large else ''}"
            w, h = (57, 70) if large else (int(v) for v in rng_of(name + "size").integers(1, 34, 2))
            quality = any_of(rng_of(name + "quality"), 20, 75, 95)
            arguments = ["-quality", quality, "-sample", SAMPLINGS[sampling], "-scans", scans(text)]
            yield name, cjpeg(picture(rng_of(name), w, h), *arguments)
    for sampling, n in itertools.product(("444", "422", "420"), range(1, 10)):
        name = f"progressive-cut-{sampling}-{n}"
        data = cjpeg(picture(rng_of(name), 50, 41), "-sample", COMMON[sampling], "-progressive")
        yield name, data[:find(data, 0xDA, n)[0]] + b"\xff\xd9"
    for n in range(1, 6):
        name = f"progressive-cut-grey-{n}"
        data = cjpeg(picture(rng_of(name), 50, 41).convert("L"), "-progressive")
        yield name, data[:find(data, 0xDA, n)[0]] + b"\xff\xd9"
    for n in range(1, 10):
        name = f"progressive-cut-cmyk-{n}"
        data = pillow(cmyk_image(rng_of(name), 30, 41), progressive=True)
        yield name, data[:find(data, 0xDA, n)[0]] + b"\xff\xd9"
    data = cjpeg(picture(rng_of("repeated"), 30, 30), "-progressive")
    start, end = find(data, 0xDA, 1)
    yield "progressive-scan-twice", insert(data, end, data[start:end])
    yield "progressive-dc-missing", data[:find(data, 0xDA)[0]] + data[start:]
    yield "progressive-scan-missing", data[:start] + data[end:]
    base = cjpeg(picture(rng_of("repeated-baseline"), 30, 30))
    start, end = find(base, 0xDA)
    yield "scans-twice", insert(base, end, base[start:end])
    # A sequential scan has all coefficients and all bits, whatever its header says.
    for first, last, bits in ((0, 63, 0xED), (0, 63, 0x10), (0, 63, 0x01), (0, 0, 0), (1, 63, 0), (5, 5, 0x21), (0, 0xA2, 0xBF)):
        for source, data in (("one", base), ("parted", cjpeg(picture(rng_of("band"), 30, 30), "-scans", scans("0;1 2;")))):
            at = find(data, 0xDA)[0]
            fields = at + 2 + int.from_bytes(data[at + 2:at + 4], "big") - 3
            yield f"scans-band-{source}-{first:02x}{last:02x}{bits:02x}", data[:fields] + bytes([first, last, bits]) + data[fields + 3:]
    parted = cjpeg(picture(rng_of("parted"), 30, 30), "-scans", scans("0;1;2;"))
    for n in (1, 2):
        yield f"scans-cut-{n}", parted[:find(parted, 0xDA, n)[0]] + b"\xff\xd9"


def others():
    """What we refuse and Pillow may not; extended frames."""
    for sampling, mode in itertools.product(("444", "420"), ("", "-progressive")):
        for i in range(4):
            name = f"arithmetic-{sampling}{mode}-{i}"
            w, h = (int(v) for v in rng_of(name + "size").integers(1, 34, 2))
            options = [mode] if mode else []
            yield name, cjpeg(picture(rng_of(name), w, h), "-sample", COMMON[sampling], "-arithmetic", *options)
    for (sampling, factors), marker in itertools.product(FRACTIONS.items(), (0xC0, 0xC2)):  # no encoder writes them
        name = f"fractions-{sampling}-{marker:02x}"
        data = cjpeg(picture(rng_of(name), 24, 20), "-sample", "1x1", *(["-progressive"] if marker == 0xC2 else []))
        frame = find(data, marker)[0]
        yield name, put(put(data, frame + 11, factors[0]), frame + 14, factors[1])
    for sampling in COMMON:
        name = f"extended-{sampling}"
        data = cjpeg(picture(rng_of(name), 23, 19), "-sample", COMMON[sampling])
        yield name, put(data, find(data, 0xC0)[0] + 1, 0xC1)
    data = cjpeg(picture(rng_of("others"), 24, 20))
    frame = find(data, 0xC0)[0]
    yield "others-height-0", data[:frame + 5] + b"\0\0" + data[frame + 7:]
    yield "others-width-0", data[:frame + 7] + b"\0\0" + data[frame + 9:]
    yield "others-12-bit", put(data, frame + 4, 12)
    yield "others-lossless", put(data, frame + 1, 0xC3)
    yield "others-two-components", data[:frame] + segment(0xC0, data[frame + 4:frame + 9] + b"\2\1\x11\0\2\x11\1") + data[frame + 19:]


def damaged_sources():
    """(name, file) of sound files that are then damaged."""
    for sampling, mode in itertools.product(("444", "420", "grey"), ("", "rst1", "rst3", "progressive", "progressive-rst2")):
        name = f"{sampling}{mode and '-'}{mode}"
        image = picture(rng_of("damaged-" + name), 48, 41)
        options = [] if sampling == "grey" else ["-sample", COMMON[sampling]]
        if "rst" in mode:
            options += ["-restart", f"{mode[-1]}B"]
        if "progressive" in mode:
            options += ["-progressive"]
        yield name, cjpeg(image.convert("L") if sampling == "grey" else image, *options)


def damage(data, rng):
    """(name, file) of each damage that libjpeg may forgive."""
    scan, end = find(data, 0xDA)
    yield "no-eoi", data[:-2]
    yield "half-eoi", data[:-1]
    yield "no-eoi-zeros", data[:-2] + bytes(100)
    yield "trailing", data + b"hello" * 30
    yield "two-pictures", data + data
    yield "cut-20-eoi", data[:-22] + b"\xff\xd9"
    yield "cut-half-eoi", data[:(scan + end) // 2] + b"\xff\xd9"
    yield "cut-half", data[:(scan + end) // 2]
    yield "cut-all-eoi", data[:scan + 16] + b"\xff\xd9"
    for marker in (0xDB, 0xC4, 0xDA):
        at = find(data, marker)[0]
        yield f"junk-before-{marker:02x}", insert(data, at, b"junk\xff\0junk")
        yield f"fill-before-{marker:02x}", insert(data, at, b"\xff\xff\xff")
        yield f"rst-before-{marker:02x}", insert(data, at, b"\xff\xd3")
    yield "junk-before-eoi", insert(data, len(data) - 2, b"junkjunk")
    yield "junk-after-soi", insert(data, 2, b"junk")
    yield "zeros-before-eoi", insert(data, len(data) - 2, bytes(64))
    yield "no-dht", without(data, 0xC4)
    yield "dri-without-rst", insert(data, scan, b"\xff\xdd\0\4\0\6")
    yield "eoi-in-data", insert(data, (scan + end) // 2, b"\xff\xd9")
    yield "rst-in-data", insert(data, (scan + end) // 2, b"\xff\xd5")
    yield "com-in-data", insert(data, (scan + end) // 2, b"\xff\xfe\0\4ab")
    yield "sof-taller", put(data, [s for s in segments(data) if s[0] in (0xC0, 0xC2)][0][1] + 6, 57)
    yield "sof-shorter", put(data, [s for s in segments(data) if s[0] in (0xC0, 0xC2)][0][1] + 6, 24)
    for i in range(6):
        at = int(rng.integers(scan + 16, end))
        yield f"flip-{i}", put(data, at, data[at] ^ int(1 << rng.integers(0, 8)))
    at = int(rng.integers(scan + 16, end - 8))
    yield "bytes-lost", data[:at] + data[at + 5:]
    yield "bytes-zero", data[:at] + bytes(5) + data[at + 5:]


def damage_restarts(data):
    at = restarts(data)
    middle = (len(at) - 1) // 2
    yield "rst-lost-first", data[:at[0]] + data[at[0] + 2:]
    yield "rst-lost", data[:at[middle]] + data[at[middle] + 2:]
    yield "rst-lost-last", data[:at[-1]] + data[at[-1] + 2:]
    yield "rst-doubled", insert(data, at[middle], data[at[middle]:at[middle] + 2])
    yield "rst-interval-lost", data[:at[middle]] + data[at[middle + 1]:]
    for off in (1, 2, 3, 4, 5, 6, 7):
        yield f"rst-off-{off}", put(data, at[middle] + 1, 0xD0 + (data[at[middle] + 1] - 0xD0 + off) % 8)
    yield "rst-junk-before", insert(data, at[middle], b"junk")
    yield "rst-junk-after", insert(data, at[middle] + 2, b"\x55\xaa")
    every = data
    for i in reversed(at):
        every = every[:i] + every[i + 2:]
    yield "rst-all-lost", every
    dri = find(data, 0xDD)[0]
    yield "dri-lost", data[:dri] + data[dri + 6:]


def damaged():
    for source, data in damaged_sources():
        for name, file in damage(data, rng_of("damage-" + source)):
            yield f"damaged-{name}-{source}", file
        if "rst" in source:
            for name, file in damage_restarts(data):
                yield f"damaged-{name}-{source}", file


def large():
    """Several rows of MCUs, with a photograph's contents."""
    for i, (sampling, mode) in enumerate(itertools.product(SAMPLINGS, ("", "-optimize", "-progressive"))):
        name = f"large-{sampling}{mode}"
        rng = rng_of(name)
        w, h = (int(v) for v in rng.integers(100, 300, 2))
        image = Image.fromarray(photo(rng, h, w))
        quality = any_of(rng, 40, 75, 85, 92, 98)
        options = [mode] if mode else []
        yield name, cjpeg(image, "-sample", SAMPLINGS[sampling], "-quality", quality, *options)
    for i in range(6):
        name = f"large-cmyk-{i}"
        rng = rng_of(name)
        image = Image.merge("CMYK", [*Image.fromarray(photo(rng, 120, 170)).split(), picture(rng, 170, 120).convert("L")])
        yield name, pillow(image, subsampling=i % 3, progressive=i > 2)


KINDS = [samplings, small, qualities, restart_intervals, grey, rgb, cmyk, markers, exif, quantization, scan_scripts, others, large, damaged]


def seen(data):
    """What Pillow sees, and the pixels."""
    try:
        image = Image.open(io.BytesIO(data))
        image.load()
        upright = ImageOps.exif_transpose(image)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"[:100]}, b""
    if upright.mode != "L":
        upright = upright.convert("RGB")
    pixels = upright.tobytes()
    expected = {"width": upright.width, "height": upright.height, "channels": len(upright.getbands())}
    return {**expected, "sha256": hashlib.sha256(pixels).hexdigest()}, pixels


def seen_small(data):
    """The same at a half, a quarter and an eighth, as Pillow's `draft` decodes, in one hash; as stored, not turned."""
    together = hashlib.sha256()
    for scale in (2, 4, 8):
        image = Image.open(io.BytesIO(data))
        image.draft(None, (max(1, image.width // scale), max(1, image.height // scale)))
        together.update((image if image.mode == "L" else image.convert("RGB")).tobytes())
    return {"scaled": together.hexdigest()}


def make():
    for kind in KINDS:
        for name, data in kind():
            entry, pixels = seen(data)
            # `draft` takes a size, and makes of less than 8 pixels no eighth.
            large = min(entry.get("width", 0), entry.get("height", 0)) >= 8 and kind not in (others, damaged)
            small = seen_small(data) if large else {}
            yield name, data, {"kind": kind.__name__, **entry, **small}, pixels


def family(name, kind):
    """Files that differ in numbers, or in the file that was damaged. Of each, the golden has one to four."""
    varying = {"samplings": r"-\d+x\d+$", "damaged": r"-(444|420|grey).*|-\d$", "exif": r"-(444|420)-.*"}
    return kind, re.sub(varying.get(kind, r"-(4\d\d|mixed)\b|\d+x\d+|-\d+\b"), "", name)


def write_matrix(folder):
    folder.mkdir(parents=True, exist_ok=True)
    entries = {}
    with open(folder / "pixels.bin", "wb") as file:
        for name, data, entry, pixels in make():
            assert name not in entries, name
            (folder / f"{name}.jpg").write_bytes(data)
            file.write(pixels)
            entries[name] = entry
    (folder / "matrix.json").write_text(json.dumps(entries, indent=0) + "\n")
    print(f"{len(entries)} files, {sum('error' in e for e in entries.values())} of them refused by Pillow")


GOLDEN_BYTES = 200_000
LARGEST_BYTES = 3_000


def write_golden():
    """The smallest of each family, then the second smallest and so on, as long as there is room."""
    families = {}
    for name, data, entry, _ in make():
        families.setdefault(family(name, entry["kind"]), []).append((len(data), name, data, entry))
    ranks = itertools.zip_longest(*(sorted(files)[:4] for files in families.values()))
    kept, room = {}, GOLDEN_BYTES
    for size, name, data, entry in (file for rank in ranks for file in sorted(filter(None, rank))):
        if size <= min(room, LARGEST_BYTES):
            kept[name] = (data, entry)
            room -= size
    files, entries = b"", {}
    for name, (data, entry) in sorted(kept.items()):
        entries[name] = {"at": len(files), "bytes": len(data), **entry}
        files += data
    (HERE / "jpeg_matrix.bin").write_bytes(files)
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(entry)}" for name, entry in entries.items())
    (HERE / "jpeg_matrix.json").write_text("{\n" + lines + "\n}\n")
    print(f"{len(entries)} files, {len(files)} bytes")


if __name__ == "__main__":
    if sys.argv[1] == "--golden":
        write_golden()
    else:
        write_matrix(pathlib.Path(sys.argv[1]))
