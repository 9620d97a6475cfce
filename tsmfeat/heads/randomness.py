"""One seed, one independent stream of random numbers for each purpose."""

import numpy as np

# A purpose's number is part of what a seed means: add at the end, never reorder. That no task reads another's stream
# is why the action head comes out the same with and without scenes.
_PURPOSES = ("order", "dropout", "action", "scene", "body", "hidden", "background", "view")


def random_bits(seed: int, purpose: str) -> np.random.SFC64:
    """Return the source of random bits of one purpose.

    Parameters
    ----------
    seed
        0 or more.
    purpose
        ``"order"`` (of the rows), ``"dropout"`` (of inputs), ``"action"``, ``"scene"`` or ``"body"`` (initial
        parameters), ``"hidden"`` (dropout of hidden units), ``"background"`` (which of its rows are taken) or
        ``"view"`` (which views are left out).

    Examples
    --------
    >>> int(random_bits(0, "order").random_raw()) == int(random_bits(0, "order").random_raw())
    True
    >>> int(random_bits(0, "order").random_raw()) == int(random_bits(0, "dropout").random_raw())
    False
    """
    return np.random.SFC64(np.random.SeedSequence(seed, spawn_key=(_PURPOSES.index(purpose),)))
