"""bfloat16 is used where a device has it, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from advcodes.jobs import precision

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _warn_anew():
    precision._warn.cache_clear()


def cpu(monkeypatch: pytest.MonkeyPatch, avx512: bool, amx: bool) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: amx)


@pytest.mark.parametrize(
    ("avx512", "amx", "expected"), [(True, False, True), (False, True, True), (False, False, False)]
)
def test_a_cpu_has_bfloat16_by_its_instructions(
    monkeypatch: pytest.MonkeyPatch, avx512: bool, amx: bool, expected: bool
):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    cpu(monkeypatch, avx512, amx)
    assert precision.native_bfloat16(CPU) == (avx512 or amx)


@pytest.mark.parametrize(
    ("limit", "expected"), [("AVX2", False), ("avx512_core", False), ("AVX512_CORE_BF16", True), ("ALL", True)]
)
def test_a_limit_of_onednn_counts(monkeypatch: pytest.MonkeyPatch, limit: str, expected: bool):
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", limit)
    cpu(monkeypatch, True, True)
    assert precision.native_bfloat16(CPU) == expected


@pytest.mark.parametrize(("capability", "expected"), [((7, 5), False), ((8, 0), True), ((9, 0), True)])
def test_a_gpu_has_it_by_its_capability(monkeypatch: pytest.MonkeyPatch, capability: tuple[int, int], expected: bool):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision.native_bfloat16(torch.device("cuda", 0)) == expected


def test_without_it_float32_is_used_and_said_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    cpu(monkeypatch, False, False)
    assert [precision.used("bfloat16", CPU) for _ in range(2)] == ["float32", "float32"]
    assert capsys.readouterr().out == (
        "precision: bfloat16 is asked for, but this cpu has none of its own; computing in float32\n"
    )
    assert precision.used("float32", CPU) == "float32"
    assert capsys.readouterr().out == ""


def test_with_it_forward_passes_are_in_bfloat16(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("ONEDNN_MAX_CPU_ISA", raising=False)
    cpu(monkeypatch, True, False)
    with precision.autocast(precision.used("bfloat16", CPU), CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with precision.autocast("float32", CPU):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
