"""Makes cases.json and expected.safetensors: what transformers' MobileNetV2ImageProcessorPil gives for pictures and
logits that both sides compute from a formula, so that only results are stored.

    pip install torch==2.13.0 transformers==5.23.0 pillow==13.0.0 safetensors numpy
    python test/goldens/processors/make.py

Pillow matters: 13.0 began to resample columns before rows where that is less work, which changes pixels.
PyTorch must run on a processor with fused multiply-add, or the last bits of upsampled logits differ.
"""

import json
import pathlib

import numpy as np
import torch
from PIL import Image
from safetensors.numpy import save_file
from transformers.models.mobilenet_v2.image_processing_pil_mobilenet_v2 import MobileNetV2ImageProcessorPil

HERE = pathlib.Path(__file__).parent
cases = {"processor": [], "postprocess": []}
tensors = {}


def lcg(seed, count):
    """The 32-bit states of Numerical Recipes' generator."""
    states, state = [], seed
    for _ in range(count):
        state = (state * 1664525 + 1013904223) % 2**32
        states.append(state)
    return np.array(states, dtype=np.uint32)


def picture(kind, width, height, channels, seed=1):
    """Bytes [H,W,C]: 'pattern' a formula with edges, 'noise' an LCG's upper bytes, 'labels' 0 to 4 and 255 in blocks."""
    y, x, c = np.meshgrid(np.arange(height), np.arange(width), np.arange(channels), indexing="ij")
    if kind == "pattern":
        return ((x * 7 + y * 13 + c * 29 + x * y) % 256).astype(np.uint8)
    if kind == "noise":
        return (lcg(seed, height * width * channels) >> 24).astype(np.uint8).reshape(height, width, channels)
    block = (x // 3 + y // 4 * 2 + seed) % 6
    return np.where(block == 5, 255, block).astype(np.uint8)


def hf_input(spec, options):
    """The input as transformers gets it. Pixels are PIL images, which load_image would have made RGB."""
    bytes_ = picture(spec["kind"], spec["width"], spec["height"], spec["channels"], spec.get("seed", 1))
    if spec["as"] == "pixels":
        image = Image.fromarray(bytes_[..., 0] if spec["channels"] == 1 else bytes_)
        return image.convert("RGB") if options.get("do_convert_rgb") is None and not spec.get("map") else image
    array = bytes_.astype(spec["dtype"])
    if spec.get("unit"):  # from 0 to 1
        array = (array / 255).astype(spec["dtype"])
    if spec.get("shift"):
        array = array + np.array(spec["shift"], dtype=spec["dtype"])
    if spec.get("map"):
        return array[..., 0]
    return np.ascontiguousarray(np.moveaxis(array, -1, 0)) if spec["layout"] == "chw" else array


def add(name, options, *inputs, maps=(), call=None):
    """One case: options of the constructor, `call` those of the call."""
    processor = MobileNetV2ImageProcessorPil(**options)
    call = call or {}
    everything = {**options, **call}
    result = processor(
        [hf_input(spec, everything) for spec in inputs],
        segmentation_maps=[hf_input(spec, everything) for spec in maps] or None,
        return_tensors="np",
        **call,
    )
    pixel_values = result["pixel_values"]
    if pixel_values.dtype == np.float64:
        pixel_values = pixel_values.astype(np.float32)
    tensors[f"{name}.pixel_values"] = np.ascontiguousarray(pixel_values)
    if maps:
        tensors[f"{name}.labels"] = np.ascontiguousarray(result["labels"])
    cases["processor"].append({"name": name, "options": options, "call": call, "inputs": inputs, "maps": maps})


def pixels(kind, width, height, channels=3, **more):
    return {"as": "pixels", "kind": kind, "width": width, "height": height, "channels": channels, **more}


def tensor(kind, width, height, channels=3, layout="chw", dtype="uint8", **more):
    return {**pixels(kind, width, height, channels), "as": "tensor", "layout": layout, "dtype": dtype, **more}


RAW = {"do_rescale": False, "do_normalize": False}  # bytes come out, and are stored as bytes
BARE = {"do_center_crop": False, **RAW}
FILTERS = ["nearest", "lanczos", "bilinear", "bicubic", "box", "hamming"]

add("default", RAW, pixels("pattern", 300, 270))
for number, name in enumerate(FILTERS):
    add(f"{name}_down", {**BARE, "resample": number, "size": {"height": 17, "width": 23}}, pixels("noise", 61, 47))
    add(f"{name}_up", {**BARE, "resample": number, "size": {"height": 41, "width": 37}}, pixels("noise", 13, 11))
    add(f"{name}_columns_first", {**BARE, "resample": number, "size": {"height": 9, "width": 40}}, pixels("noise", 21, 75))
    add(f"{name}_rows_first", {**BARE, "resample": number, "size": {"height": 40, "width": 9}}, pixels("noise", 75, 21))
add("one_axis_width", {**BARE, "resample": 3, "size": {"height": 25, "width": 31}}, pixels("noise", 50, 25))
add("one_axis_height", {**BARE, "resample": 1, "size": {"height": 31, "width": 25}}, pixels("noise", 25, 50))
add("same_size", {**BARE, "resample": 1, "size": {"height": 19, "width": 25}}, pixels("noise", 25, 19))

add("shortest_portrait", {**BARE, "size": {"shortest_edge": 20}}, pixels("pattern", 33, 57))
add("shortest_landscape", {**BARE, "size": {"shortest_edge": 20}}, pixels("pattern", 57, 33))
add("shortest_number", {**BARE, "size": 15}, pixels("pattern", 40, 29))
add("shortest_longest", {**BARE, "size": {"shortest_edge": 30, "longest_edge": 41}}, pixels("pattern", 90, 40))
add("shortest_longest_portrait", {**BARE, "size": {"shortest_edge": 30, "longest_edge": 41}}, pixels("pattern", 31, 77))
add("shortest_longest_fits", {**BARE, "size": {"shortest_edge": 20, "longest_edge": 90}}, pixels("pattern", 50, 40))
add("max_height_width", {**BARE, "size": {"max_height": 25, "max_width": 33}}, pixels("pattern", 50, 70))
add("pair", {**BARE, "size": [12, 21]}, pixels("pattern", 50, 70))

for size, crop in [(40, 21), (40, 20), (21, 40), (20, 41), (21, 41)]:
    add(f"crop_{size}_to_{crop}", {**RAW, "size": {"height": size, "width": size}, "crop_size": crop}, pixels("noise", 30, 30))
add("crop_wider_and_lower", {**RAW, "do_resize": False, "crop_size": {"height": 9, "width": 31}}, pixels("pattern", 18, 14))
add("crop_padding_normalized", {"size": 9, "crop_size": 14, "image_mean": [0.1, 0.2, 0.3]}, pixels("pattern", 18, 15))
add("crop_pair", {**RAW, "size": 30, "crop_size": [11, 24]}, pixels("pattern", 61, 44))

SMALL = {"size": {"shortest_edge": 16}, "crop_size": 14}
add("small", SMALL, pixels("noise", 31, 22))
add("no_resize", {**SMALL, "do_resize": False}, pixels("noise", 31, 22))
add("no_crop", {**SMALL, "do_center_crop": False}, pixels("noise", 31, 22))
add("no_rescale", {**SMALL, "do_rescale": False}, pixels("noise", 31, 22))
add("no_normalize", {**SMALL, "do_normalize": False}, pixels("noise", 31, 22))
add("nothing", {"do_resize": False, "do_center_crop": False, **RAW}, pixels("noise", 9, 7))
add("rescale_factor", {**SMALL, "rescale_factor": 1 / 127.5}, pixels("noise", 31, 22))
add("mean_std", {**SMALL, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}, pixels("noise", 31, 22))
add("mean_std_numbers", {**SMALL, "image_mean": 0.3, "image_std": 0.7}, pixels("noise", 31, 22))
add("overrides", SMALL, pixels("noise", 31, 22), call={"resample": 3, "size": 12, "crop_size": 10, "image_std": 0.25})

add("batch", SMALL, pixels("noise", 31, 22), pixels("pattern", 25, 40), pixels("noise", 16, 16, seed=5))
add("grey_pixels", SMALL, pixels("noise", 31, 22, 1))
add("grey_kept", {**SMALL, "do_convert_rgb": False, "image_mean": 0.5, "image_std": 0.5}, pixels("noise", 31, 22, 1))
add("rgba_pixels", SMALL, pixels("noise", 31, 22, 4))
add("rgba_over_white", {**RAW, **SMALL, "do_convert_rgb": True}, pixels("noise", 31, 22, 4))
add("rgba_every_alpha", {"do_resize": False, "do_center_crop": False, **RAW, "do_convert_rgb": True}, pixels("pattern", 64, 256, 4))
add("rgba_kept", {**RAW, **SMALL, "do_convert_rgb": False}, pixels("noise", 31, 22, 4))
add("grey_over_white", {**SMALL, "do_convert_rgb": True}, pixels("noise", 31, 22, 1))
add("one_pixel", {**RAW, "size": 5, "crop_size": 4}, pixels("noise", 1, 1))
add("one_column", {**RAW, "size": 6, "crop_size": 9}, pixels("noise", 1, 40))
add("one_row", {**RAW, "size": 6, "crop_size": 9, "resample": 1}, pixels("noise", 40, 1))

add("tensor_chw", SMALL, tensor("noise", 31, 22))
add("tensor_hwc", SMALL, tensor("noise", 31, 22, layout="hwc"))
add("tensor_ambiguous", {"do_resize": False, "do_center_crop": False}, tensor("noise", 3, 5, 3, layout="chw"))
add("tensor_unit", {**SMALL, "do_rescale": False}, tensor("noise", 31, 22, dtype="float32", unit=True))
add("tensor_unit_twice", SMALL, tensor("noise", 31, 22, dtype="float32", unit=True))
add("tensor_unit_unresized", {**SMALL, "do_rescale": False, "do_resize": False}, tensor("noise", 31, 22, dtype="float32", unit=True))
add("tensor_float64", {**SMALL, "do_rescale": False, "do_resize": False}, tensor("noise", 31, 22, dtype="float64", unit=True))
add("tensor_whole_floats", SMALL, tensor("noise", 31, 22, dtype="float32"))
add("tensor_int32", {**SMALL, "do_resize": False}, tensor("noise", 31, 22, dtype="int32", shift=1000))
add("tensor_int64", SMALL, tensor("noise", 31, 22, dtype="int64"))
add("tensor_grey", {**SMALL, "image_mean": [0.4], "image_std": [0.6]}, tensor("noise", 31, 22, 1))
add("tensor_rgba", {**RAW, **SMALL}, tensor("noise", 31, 22, 4))
add("tensor_rgba_rgb", {**RAW, **SMALL, "do_convert_rgb": True}, tensor("noise", 31, 22, 4))
add("tensor_rgba_float_rgb", {**SMALL, "do_rescale": False, "do_resize": False, "do_convert_rgb": True}, tensor("noise", 31, 22, 4, dtype="float32", unit=True))
add("tensor_grey_rgb", {**SMALL, "do_convert_rgb": True}, tensor("noise", 31, 22, 1))

LABELS = pixels("labels", 31, 22, 1, map=True)
add("labels", SMALL, pixels("noise", 31, 22), maps=[LABELS])
add("labels_reduced", {**SMALL, "do_reduce_labels": True}, pixels("noise", 31, 22), maps=[LABELS])
add("labels_int64", {**SMALL, "do_reduce_labels": True}, pixels("noise", 31, 22), maps=[{**LABELS, "as": "tensor", "dtype": "int64"}])
add("labels_large", {**SMALL, "do_resize": False}, pixels("noise", 31, 22), maps=[{**LABELS, "as": "tensor", "dtype": "int64", "shift": 300}])
add("labels_padded", {"size": 9, "crop_size": 14, "do_reduce_labels": True}, pixels("noise", 31, 22), maps=[LABELS])
add("labels_batch", SMALL, pixels("noise", 31, 22), pixels("noise", 22, 31), maps=[LABELS, {**LABELS, "width": 22, "height": 31, "seed": 3}])


def logits(n, k, h, w, seed, levels):
    """Uniform in [-5, 5), or with `levels` that many whole numbers, which makes ties."""
    states = lcg(seed, n * k * h * w) >> 8
    values = states * levels // 2**24 if levels else states / 2**24 * 10 - 5
    return values.astype(np.float32).reshape(n, k, h, w)


def add_post(name, dims, sizes=None, levels=0, scores=False, exact=True):
    """`exact`: large enough for PyTorch's portable kernel, so scores must agree to the last bit."""
    outputs = type("Outputs", (), {"logits": torch.from_numpy(logits(*dims, len(name), levels))})
    results = MobileNetV2ImageProcessorPil().post_process_semantic_segmentation(
        outputs, target_sizes=sizes, return_segmentation_scores=scores
    )
    for i, result in enumerate(results):
        segmentation = result.segmentation if scores else result
        tensors[f"{name}.{i}.segmentation"] = segmentation.numpy().astype(np.uint8)
        if scores:
            tensors[f"{name}.{i}.scores"] = result.segmentation_scores.numpy().copy()
    case = {"name": name, "dims": dims, "seed": len(name), "levels": levels, "sizes": sizes, "scores": scores, "exact": exact}
    cases["postprocess"].append(case)


add_post("plain", [1, 21, 9, 7])
add_post("plain_scores", [2, 3, 5, 4], scores=True)
add_post("ties", [1, 6, 16, 16], levels=3)
add_post("up", [1, 21, 17, 17], [[129, 129]])
add_post("up_tall", [1, 5, 9, 33], [[200, 51]])
add_post("up_scores", [1, 4, 9, 13], [[70, 97]], scores=True)
add_post("down", [1, 7, 70, 170], [[31, 99]])
add_post("down_scores", [1, 3, 90, 80], [[20, 110]], scores=True)
add_post("batch", [3, 4, 8, 8], [[80, 60], [33, 100], [8, 121]])
add_post("one_class", [1, 1, 4, 4], [[65, 65]])
add_post("one_value", [1, 3, 1, 1], [[64, 66]], scores=True)
add_post("small_scores", [1, 4, 9, 7], [[30, 40]], scores=True, exact=False)
add_post("same_size", [1, 5, 70, 61], [[70, 61]], scores=True)

save_file(tensors, HERE / "expected.safetensors")
(HERE / "cases.json").write_text(json.dumps(cases, indent=1) + "\n")
print(len(cases["processor"]), "processor and", len(cases["postprocess"]), "post-processing cases")
