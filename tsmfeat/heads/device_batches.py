"""Batches where the feature table lies on another device than the CPU: gathered, cast and dropped there."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from tsmfeat.heads.batches import Batches
from tsmfeat.heads.randomness import random_bits
from tsmfeat.heads.views import Presence

_LEVELS = 1 << 16


@dataclass(frozen=True, eq=False)
class DeviceTable:
    """A feature table on a device.

    Parameters
    ----------
    features
        float16 or float32 (K, D): the rows to fit on, in their order, on the device once for all epochs.
    mean, scale
        As in `tsmfeat.heads.batches.Batches`.
    generator
        The randomness of the dropout.
    """

    features: Tensor
    mean: Tensor
    scale: Tensor
    generator: torch.Generator


def load_table(batches: Batches, seed: int, device: torch.device) -> DeviceTable:
    """Copy the rows of some batches to a device.

    Parameters
    ----------
    batches
        What is drawn there.
    seed
        Of the dropout; its stream is the device's own.
    device
        Any of torch's.
    """
    generator = torch.Generator(device).manual_seed(int(random_bits(seed, "dropout").random_raw()) >> 1)
    return DeviceTable(
        torch.from_numpy(np.ascontiguousarray(batches.features[batches.rows])).to(device),
        torch.from_numpy(batches.mean).to(device),
        torch.from_numpy(batches.scale).to(device),
        generator,
    )


def draw_device_inputs(
    table: DeviceTable, batches: Batches, places: Tensor, presence: Presence | None = None
) -> Tensor:
    """Return the inputs at some places, float32 (B, D), with a new dropout mask, as `draw_inputs` does.

    Parameters
    ----------
    table
        On a device.
    batches
        Whose dropout it is.
    places
        int64 (B,), on the device.
    presence
        bool (B, V), as of `tsmfeat.heads.batches.draw_presence`; None for one view.
    """
    inputs = (table.features[places].to(torch.float32) - table.mean) * table.scale
    if presence is not None and batches.views is not None:
        shown = torch.from_numpy(np.repeat(presence, batches.views.sizes, axis=1))
        inputs *= shown.to(inputs.device)
    if not batches.num_dropped_levels:
        return inputs
    bits = torch.randint(_LEVELS, inputs.shape, dtype=torch.int32, device=inputs.device, generator=table.generator)
    return inputs * (bits >= batches.num_dropped_levels)
