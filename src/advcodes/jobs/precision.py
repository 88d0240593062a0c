"""Which precision a job really computes in: bfloat16 only where the device has it natively.

Elsewhere bfloat16 is emulated: on a CPU without it a GAN of width 32 trains 16 times slower than in float32. Keys of
results do not depend on the machine, so they hold what was asked for; what was used stands in ``run.json``.
"""

from __future__ import annotations

import contextlib
import functools
import os
from typing import Any

import torch

AFFECTS_RESULTS = False
#: Values of ONEDNN_MAX_CPU_ISA that let oneDNN use a CPU's bfloat16.
_WITH_BFLOAT16 = ("", "ALL", "DEFAULT", "AVX512_CORE_BF16", "AVX512_CORE_FP16", "AVX512_CORE_AMX",
                  "AVX512_CORE_AMX_FP16", "AVX10_1_512", "AVX10_1_512_AMX", "AVX10_1_512_AMX_FP16")  # fmt: skip


def native_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies bfloat16 matrices itself: AVX512-BF16 or AMX, or a GPU of capability 8.0 or more.

    A limit by the environment variable ``ONEDNN_MAX_CPU_ISA`` counts, as it keeps oneDNN from what the CPU has.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    if device.type != "cpu" or os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() not in _WITH_BFLOAT16:
        return False
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def used(precision: str, device: torch.device) -> str:
    """The precision of a job: what was asked for, or ``float32``, with a line that says so once a process.

    Args:
        precision: ``float32`` or ``bfloat16``.
        device: where it runs.
    """
    if precision != "bfloat16" or native_bfloat16(device):
        return precision
    _warn(str(device))
    return "float32"


@functools.cache
def _warn(device: str) -> None:
    print(f"precision: bfloat16 is asked for, but this {device} has none of its own; computing in float32", flush=True)


def autocast(precision: str, device: torch.device) -> contextlib.AbstractContextManager[Any]:
    """Context of forward passes in a precision that :func:`used` gave."""
    return torch.autocast(device.type, torch.bfloat16) if precision == "bfloat16" else contextlib.nullcontext()
