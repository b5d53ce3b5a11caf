"""Makes 5,040 JPEGs with libjpeg-turbo's cjpeg, and says what Pillow, which decodes with libjpeg-turbo, sees in each:
7 samplings × baseline and progressive × 4 settings of restart markers × 90 sizes, sides from 1 to 64.

    apt install libjpeg-turbo-progs
    pip install pillow==13.0.0 numpy
    python test/goldens/images/jpeg_grid.py FOLDER      # FOLDER/grid.bin and grid.json: 5,040 files, 6 MB
    python test/goldens/images/jpeg_grid.py --golden    # jpeg_grid.bin and .json here: one of each of the 56 kinds

The .bin holds the files one after the other; in the .json each has `at`, `bytes`, `width`, `height`, `channels` and the
`sha256` of Pillow's pixels. test/reliability/jpegs.test.ts compares ours with them.
"""

import json
import pathlib
import sys

from jpeg_matrix import COMMON, HERE, ODD, cjpeg, picture, rng_of, seen

SAMPLINGS = {**COMMON, "441": ODD["h1v4"]}
MODES = {"baseline": ["-baseline"], "progressive": ["-progressive"]}
# After every MCU, every third one, every row of them.
RESTARTS = {"none": [], "rst1": ["-restart", "1B"], "rst3": ["-restart", "3B"], "rstrow": ["-restart", "1"]}
# Every width and every height from 1 to 64, and some more in other company.
SIZES = [(n + 1, n * 37 % 64 + 1) for n in range(64)] + [(n * 29 % 64 + 1, n * 11 % 64 + 1) for n in range(1, 27)]


def make(sizes):
    kinds = [(s, m, r) for s in SAMPLINGS for m in MODES for r in RESTARTS]
    for nth, (sampling, mode, restarts) in enumerate(kinds):
        for width, height in sizes(nth):
            name = f"{sampling}-{mode}-{restarts}-{width}x{height}"
            rng = rng_of(name)
            options = ["-quality", str(rng.integers(20, 101)), "-sample", SAMPLINGS[sampling]]
            data = cjpeg(picture(rng, width, height), *options, *MODES[mode], *RESTARTS[restarts])
            yield name, data, seen(data)[0]


def write(name, folder, sizes):
    files, entries = b"", {}
    for file, data, entry in make(sizes):
        assert file not in entries, file
        entries[file] = {"at": len(files), "bytes": len(data), **entry}
        files += data
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.bin").write_bytes(files)
    lines = ",\n".join(f"{json.dumps(file)}: {json.dumps(entry)}" for file, entry in entries.items())
    (folder / f"{name}.json").write_text("{\n" + lines + "\n}\n")
    print(f"{len(entries)} files, {len(files)} bytes")


if __name__ == "__main__":
    if sys.argv[1] == "--golden":
        write("jpeg_grid", HERE, lambda nth: [SIZES[nth * 5 % len(SIZES)]])
    else:
        write("grid", pathlib.Path(sys.argv[1]), lambda nth: SIZES)
