"""Where and how exactly a trunk runs: device, precision, batch size."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch.backends import cuda, cudnn, mkldnn

from tsmfeat.errors import ConfigurationError, EnvironmentLackError
from tsmfeat.trunk.options import PRECISIONS

# Pixels of a batch. CPU: convolutions are no faster on larger batches, but slower once the maps leave the caches.
# CUDA: 64 clips of 8 frames at 256 x 256, a few GB of maps in bf16.
_CPU_PIXELS = 1 << 19
_CUDA_PIXELS = 1 << 25
_LARGEST_BATCH = 512
# mypy reads the file of a module that torch replaces by an object when it is imported.
_CONVOLUTIONS = (cudnn.conv, mkldnn.conv)  # type: ignore[attr-defined]
_PRODUCTS = (cuda.matmul, mkldnn.matmul)  # type: ignore[attr-defined]


def resolve_device(device: str) -> str:
    """Return the device a run uses, checked to be there.

    Parameters
    ----------
    device
        ``"auto"`` (CUDA where there is one, else the CPU), ``"cpu"``, ``"cuda"`` or ``"cuda:1"``.

    Returns
    -------
    str
        ``"cpu"`` or ``"cuda:N"``.

    Raises
    ------
    EnvironmentLackError
        CUDA, or the device of that number, is not there.
    ConfigurationError
        Another text.

    Examples
    --------
    >>> resolve_device("cpu")
    'cpu'
    """
    name, _, number = device.partition(":")
    if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
        return "cpu"
    if name not in ("auto", "cuda") or (number and not number.isdecimal()):
        raise ConfigurationError(f"device {device!r} is not known", "choose auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= count:
        raise EnvironmentLackError(
            f"device {device!r} was asked for; torch {torch.__version__} sees {count} CUDA devices here",
            "use --device cpu, or install a CUDA build of torch and a driver",
        )
    return f"cuda:{int(number or 0)}"


def resolve_precision(precision: str, device: str, existing: str | None = None) -> str:
    """Return the precision a run uses: never left to chance, because it is part of the features' identity.

    Parameters
    ----------
    precision
        ``"auto"``, ``"fp32"``, ``"bf16"`` or ``"fp16"``.
    device
        Resolved.
    existing
        The precision of the output that the run continues, if there is one; ``"auto"`` keeps it.

    Raises
    ------
    ConfigurationError
        Another text.

    Examples
    --------
    >>> resolve_precision("auto", "cpu"), resolve_precision("auto", "cuda:0"), resolve_precision("auto", "cpu", "bf16")
    ('fp32', 'bf16', 'bf16')
    """
    if precision not in PRECISIONS:
        raise ConfigurationError(f"precision {precision!r} is not known", "choose one of " + ", ".join(PRECISIONS))
    if precision != "auto":
        return precision
    return existing or ("bf16" if device.startswith("cuda") else "fp32")


def default_batch_size(device: str, num_frames: int, height: int, width: int) -> int:
    """Return how many clips of a frame size go into one forward pass.

    Examples
    --------
    >>> default_batch_size("cpu", 4, 48, 48), default_batch_size("cuda:0", 8, 256, 256)
    (56, 64)
    """
    pixels = _CUDA_PIXELS if device.startswith("cuda") else _CPU_PIXELS
    return max(1, min(_LARGEST_BATCH, pixels // (num_frames * height * width)))


@contextmanager
def exact_convolutions(benchmark: bool = False) -> Iterator[None]:
    """Keep float32 convolutions float32 while the context lasts; torch's settings are put back after it.

    On CUDA torch rounds their factors to ten bits (TF32) unless told not to, which moves embeddings by 1e-3.

    Parameters
    ----------
    benchmark
        Whether cuDNN tries its algorithms on the first batch of a shape and keeps the fastest.

    Examples
    --------
    >>> with exact_convolutions():
    ...     torch.backends.cudnn.conv.fp32_precision
    'ieee'
    """
    precisions, before = [conv.fp32_precision for conv in _CONVOLUTIONS], cudnn.benchmark
    cudnn.benchmark = benchmark
    for conv in _CONVOLUTIONS:
        conv.fp32_precision = "ieee"
    try:
        yield
    finally:
        cudnn.benchmark = before
        for conv, precision in zip(_CONVOLUTIONS, precisions, strict=True):
            conv.fp32_precision = precision


@contextmanager
def exact_products() -> Iterator[None]:
    """Keep float32 matrix products float32 while the context lasts; torch's settings are put back after it.

    They are so by default, but a notebook or a user's own trunk may have asked for speed: most of a transformer is
    products.

    Examples
    --------
    >>> with exact_products():
    ...     torch.get_float32_matmul_precision()
    'highest'
    """
    before = [product.fp32_precision for product in _PRODUCTS]
    if not {"tf32", "bf16"} & set(before):
        yield
        return
    # torch has two names for these settings, and refuses to read one where only the other was changed.
    torch.set_float32_matmul_precision("highest")
    try:
        yield
    finally:
        torch.set_float32_matmul_precision("medium" if "bf16" in before else "high")
        for product, precision in zip(_PRODUCTS, before, strict=True):
            if product.fp32_precision != precision:
                product.fp32_precision = precision
