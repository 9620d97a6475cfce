"""A random order that reads a file almost in sequence: shuffled blocks, and shuffled rows within some of them."""

import numpy as np
import numpy.typing as npt

# A block of 2,048 float16 numbers a row is a quarter of a megabyte: one read. A group of blocks is 16 MB.
BLOCK_ROWS = 64
_GROUP_BLOCKS = 64


def shuffle_blocks(count: int, random: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return the numbers below `count` in an order that stays within a few blocks for a while.

    Blocks of neighbours are shuffled; those of each group of blocks then mix their rows. A batch so sees rows of many
    places of the file, though not of all, as a wholly random order would.

    Parameters
    ----------
    count
        Rows.
    random
        Source of the order.

    Examples
    --------
    >>> order = shuffle_blocks(1000, np.random.default_rng(0))
    >>> sorted(order.tolist()) == list(range(1000))
    True
    """
    blocks = random.permutation(-(-count // BLOCK_ROWS))
    groups = [blocks[first : first + _GROUP_BLOCKS] for first in range(0, len(blocks), _GROUP_BLOCKS)]
    parts = [random.permutation(_rows_of(group, count)) for group in groups]
    return np.concatenate(parts) if parts else np.zeros(0, np.int64)


def _rows_of(blocks: npt.NDArray[np.int64], count: int) -> npt.NDArray[np.int64]:
    rows = (blocks[:, None] * BLOCK_ROWS + np.arange(BLOCK_ROWS)).ravel()
    return rows[rows < count]
