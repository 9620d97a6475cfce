"""Compiling a network's forward pass with torch, and knowing first whether that works on this machine."""

import subprocess

import torch
from torch import Tensor, nn

from tsmfeat.errors import EnvironmentLackError


def compile_network(network: nn.Module, device: torch.device) -> None:
    """Let torch compile a network's forward pass for one static shape; that happens at its first call.

    Parameters
    ----------
    network
        Changed in place.
    device
        Where it runs.

    Raises
    ------
    EnvironmentLackError
        No compiler works for this device, as a trial on a small network shows.
    """
    require_compiler(device)
    network.compile(dynamic=False)


def require_compiler(device: torch.device) -> None:
    """Compile and run a few numbers, so that a machine without a compiler says so at the start of a run.

    Raises
    ------
    EnvironmentLackError
        It does not work.
    """
    try:
        with torch.inference_mode():
            torch.compile(_double_plus_one, dynamic=False)(torch.zeros(4, device=device))
    except (RuntimeError, ImportError, OSError, subprocess.SubprocessError) as error:
        lines = [line for line in str(error).splitlines() if line.strip()]
        raise EnvironmentLackError(
            f"--compile: torch cannot compile for {device} here ({type(error).__name__}: {' '.join(lines[:1])[:160]})",
            "leave --compile out, or install what torch compiles with (g++ for the CPU, triton for CUDA)",
        ) from error


def _double_plus_one(values: Tensor) -> Tensor:
    return values * 2 + 1
