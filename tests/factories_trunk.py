"""Weights and frames of the golden trunk values, rebuilt from the formula in tests/data/tsm (nothing of ours)."""

import json
import zlib
from functools import cache
from pathlib import Path

import numpy as np
import torch

GOLDEN = Path(__file__).parent / "data" / "tsm"
GOLDEN_MEAN = np.array([0.485, 0.456, 0.406])
GOLDEN_STD = np.array([0.229, 0.224, 0.225])
HEADS = {"action": 39, "scene": 28}
_BLOCK = 1 << 15


@cache
def golden(case):
    return json.loads((GOLDEN / f"{case}.json").read_text())


def unit(seed, name, count):
    """Numbers in [-1, 1) that depend on seed, name and place only; in blocks that stay in the cache."""
    base = np.uint64(zlib.crc32(f"{seed}/{name}".encode()) << 32)
    values = np.empty(count)
    for first in range(0, count, _BLOCK):
        z = np.arange(first, min(first + _BLOCK, count), dtype=np.uint64)
        z += base
        z += np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            z ^= z >> np.uint64(shift)
            z *= np.uint64(factor)
        z ^= z >> np.uint64(31)
        z >>= np.uint64(40)
        np.divide(z, 2.0**23, out=values[first : first + z.size])
    values -= 1
    return values


def golden_tensor(seed, name, shape, last_norm="bn3"):
    u = unit(seed, name, int(np.prod(shape)))
    if len(shape) == 4:
        u *= np.sqrt(6 / np.prod(shape[1:]))
    elif len(shape) == 2:
        u *= np.sqrt(3 / shape[1])
    elif name.endswith("running_var"):
        u = 1 + 0.5 * u
    elif name.endswith("weight"):
        u = (1 + 0.1 * u) * (0.25 if f".{last_norm}." in name else 1)
    else:
        u *= 0.1
    return torch.from_numpy(u.astype(np.float32).reshape(shape))


@cache
def golden_head(seed, task, size):
    weight = golden_tensor(seed, f"heads.{task}.weight", (HEADS[task], size))
    return weight, golden_tensor(seed, f"heads.{task}.bias", (HEADS[task],))


@cache
def golden_state(case):
    """Tensors of a case by torchvision's names, without classifier and counters."""
    import torchvision

    facts = golden(case)
    with torch.device("meta"):
        shapes = getattr(torchvision.models, facts["arch"])().state_dict()
    last_norm = "bn2" if facts["arch"] == "resnet18" else "bn3"
    return {
        name: golden_tensor(facts["seed"], name, tuple(value.shape), last_norm)
        for name, value in shapes.items()
        if not name.startswith("fc.") and not name.endswith("num_batches_tracked")
    }


def golden_pixels(case):
    """uint8 [clips, T, H, W, 3]."""
    facts = golden(case)
    t, y, x, c = np.meshgrid(
        np.arange(facts["num_segments"]),
        np.arange(facts["size"]),
        np.arange(facts["size"]),
        np.arange(3),
        indexing="ij",
    )
    clips = [q + 13 * t**2 + 7 * y + 11 * x + 29 * c + 3 * t * x + (x * y) // (t + 1) for q in facts["frame_seeds"]]
    return (np.stack(clips) % 256).astype(np.uint8)


def golden_frames(case):
    """float32 [clips, T, 3, H, W], normalised."""
    values = (golden_pixels(case) / 255 - GOLDEN_MEAN) / GOLDEN_STD
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 1, 4, 2, 3), dtype=np.float32))


def relative_error(ours, theirs):
    ours, theirs = np.asarray(ours, np.float64), np.asarray(theirs, np.float64)
    return float(np.abs(ours - theirs).max() / np.abs(theirs).max())


def tiny_shapes():
    """Names and shapes as a network would have them, small enough to write files of in a test."""
    return {
        "conv1.weight": (4, 3, 3, 3),
        "bn1.weight": (4,),
        "bn1.bias": (4,),
        "bn1.running_mean": (4,),
        "bn1.running_var": (4,),
        "bn1.num_batches_tracked": (),
    }


def tiny_state():
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.tensor(5) if name.endswith("tracked") else torch.randn(shape, generator=generator)
        for name, shape in tiny_shapes().items()
    }
