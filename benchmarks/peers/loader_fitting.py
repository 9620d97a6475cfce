"""Linear heads as a tutorial fits them: a Dataset of rows, a shuffling DataLoader, Linear layers and torch's SGD."""

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from tsmfeat.heads.options import HeadOptions
from tsmfeat.heads.rows import TrainingRows


def fit_with_loader(data: TrainingRows, options: HeadOptions, dropout: float) -> npt.NDArray[np.int64]:
    """Fit for some epochs and return the best-scored action of every row.

    Rows are held as float32 and standardised once before the first epoch, in memory: the loop is not made to look slow.
    """
    inputs = torch.from_numpy(data.features[data.rows].astype(np.float32))
    inputs = (inputs - inputs.mean(0)) / inputs.std(0, correction=0).clamp_min(1e-6)
    dataset = TensorDataset(inputs, torch.from_numpy(data.action_targets()), torch.from_numpy(data.scene_targets()))
    loader: DataLoader[tuple[Tensor, ...]] = DataLoader(dataset, options.batch_size, shuffle=True)
    heads = [nn.Linear(inputs.shape[1], data.num_actions + 1)]
    if "scene" in options.tasks:
        heads.append(nn.Linear(inputs.shape[1], data.num_scenes))
    drop, criterion = nn.Dropout(dropout), nn.CrossEntropyLoss()
    parameters = [parameter for head in heads for parameter in head.parameters()]
    descent = torch.optim.SGD(parameters, options.lr, options.momentum, weight_decay=options.weight_decay)
    for _ in range(options.epochs):
        for rows, *targets in loader:
            dropped = drop(rows)
            losses = [criterion(head(dropped), target) for head, target in zip(heads, targets, strict=False)]
            descent.zero_grad()
            torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
            descent.step()
    best: npt.NDArray[np.int64] = heads[0](inputs).argmax(1).numpy()
    return best
