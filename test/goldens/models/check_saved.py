#!/usr/bin/env python3
"""Does transformers read what our save_pretrained wrote, and compute the same from it?

    pip install torch==2.13.0 transformers safetensors numpy
    python check_saved.py FOLDER...          # prints PASS or FAIL for each, exits with 1 if any failed

A FOLDER is what save_pretrained wrote (config.json, model.safetensors or shards), and beside it outputs.safetensors:
our own `pixel_values`, which must be the formula's (README.md), and what our model made of them, under the names of
cases.json (`logits`, `last_hidden_state`, `pooler_output`, `hidden_states.0`, ...). The class is the one that
config.json's `architectures` names, loaded by the Auto class that goes with it. Every tensor must be found, none left
over, and outputs agree within 1e-4 · max(1, max |reference|).
"""

import sys
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import (
    AutoConfig,
    AutoModel,
    AutoModelForImageClassification,
    AutoModelForSemanticSegmentation,
    logging,
)

from make import formula, outputs_of

AUTO = {
    "MobileNetV2Model": AutoModel,
    "MobileNetV2ForImageClassification": AutoModelForImageClassification,
    "MobileNetV2ForSemanticSegmentation": AutoModelForSemanticSegmentation,
}
TOLERANCE = 1e-4


def check(folder: Path) -> str:
    """What was compared; raises AssertionError with what is wrong."""
    config = AutoConfig.from_pretrained(folder)
    (kind,) = config.architectures
    model, info = AUTO[kind].from_pretrained(folder, output_loading_info=True)
    assert type(model).__name__ == kind, f"loaded as {type(model).__name__}, not as {kind}"
    for trouble, names in info.items():
        assert not names, f"{trouble}: {names}"
    expected = load_file(folder / "outputs.safetensors")
    pixels = expected.pop("pixel_values")
    assert torch.equal(pixels, formula("pixel_values", list(pixels.shape))), "pixel_values are not the formula's"
    assert expected, "outputs.safetensors holds no outputs"
    reference = outputs_of(model.double().eval(), pixels)
    worst = 0.0
    for name, ours in expected.items():
        assert name in reference, f"{name} is none of {', '.join(reference)}"
        theirs = reference[name]
        assert ours.shape == theirs.shape, f"{name} is {list(ours.shape)}, expected {list(theirs.shape)}"
        assert torch.isfinite(ours).all(), f"{name} is not finite"
        difference = float((ours - theirs).abs().max() / max(1, theirs.abs().max()))
        assert difference <= TOLERANCE, f"{name} is off by {difference:.2g} of the largest value"
        worst = max(worst, difference)
    return f"{kind}, {len(model.state_dict())} tensors, {len(expected)} outputs, off by at most {worst:.2g}"


def main() -> None:
    logging.set_verbosity_error()
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    failed = 0
    for folder in map(Path, sys.argv[1:]):
        try:
            print(f"PASS {folder}: {check(folder)}")
        except Exception as error:  # the other folders still get their turn
            failed += 1
            print(f"FAIL {folder}: {type(error).__name__}: {error}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
