"""`advcodes doctor` finds what a machine lacks, and says what to do; `advcodes list` describes what there is."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest

from advcodes.app import doctor, listed
from advcodes.app.cli import main
from advcodes.config.params import read
from advcodes.config.sections import Machine
from advcodes.graph.graph import Graph
from advcodes.papers.kinds import KINDS


def test_everything_is_looked_at_and_nothing_here_is_at_fault(capsys: pytest.CaptureFixture):
    assert main(["doctor"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if not line.lstrip().startswith("->")]
    assert [line.split()[1] for line in lines] == [
        "versions", "device", "bfloat16", "threads", "memory", "disk", "locks", "mirror", "weights", "plugins",
    ]  # fmt: skip


def test_a_fault_is_one_with_its_remedy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture):
    monkeypatch.setenv("ADVCODES_MIRROR", "/nowhere")
    assert main(["doctor"]) == 1
    printed = capsys.readouterr()
    assert re.search(r"^fault mirror +ADVCODES_MIRROR: no such directory: /nowhere\n +-> correct it", printed.out, re.M)
    assert printed.err.endswith("advcodes: error: doctor: 2 faults, see above; each has its remedy\n")


def test_old_libraries_are_named(monkeypatch: pytest.MonkeyPatch):
    real = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: "1.13.1+cpu" if name == "torch" else real(name))
    monkeypatch.setattr(metadata, "requires", lambda name: ["torch>=2.11", "numpy>=1.26"])
    found = doctor.versions()
    assert found.state == "fault" and found.remedy.startswith("needs torch 2.11 or later: run `make venv`")


@pytest.mark.parametrize(
    ("found", "state", "remedy"),
    [
        (doctor.memory(int(9e9), Machine(), 4), "ok", ""),
        (doctor.memory(int(5e9), Machine(), 4), "note", "run `snakemake --cores 2`"),
        (doctor.memory(int(1e9), Machine(), 4), "fault", "end something else: one training takes up to 2 GB"),
        (doctor.threads(Machine(threads=2), 4), "ok", ""),
        (doctor.threads(Machine(threads=8), 4), "note", "set machine.threads to 4 or fewer"),
    ],
)
def test_what_there_is_is_judged(found: doctor.Finding, state: str, remedy: str):
    assert (found.state, found.remedy) == (state, remedy)


def test_a_full_disk_is_a_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    class Usage:
        free = 1e9

    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: Usage)
    found = doctor.disk(tmp_path / "data")
    assert found.state == "fault" and found.found.startswith("1.0 GB free")


def test_a_gpu_that_is_not_there_is_a_fault():
    (found,) = (f for f in doctor.examine(Machine(device="cuda:7")) if f.what == "device")
    assert found.state == "fault" and found.remedy == "set it to auto or cpu"


def test_every_variant_and_item_is_described():
    graph = Graph(read())
    variants, items = (list(listed.listed(graph, what))[1:] for what in ("variants", "items"))
    assert len(variants) == 2 * len(graph.params.variants) and len(items) == 2 * len(graph.items)
    said = dict(
        zip([line.split()[0] for line in variants[::2]], [line.strip() for line in variants[1::2]], strict=True)
    )
    assert said["acl_gan"].startswith("ACL-GAN: ACL attached to a GAN")
    assert said["lpaae_8"].endswith("(networks lpaae, codes of 8)")
    assert all(said.values()) and len(set(said.values())) > 0.9 * len(said)
    assert "      a metric over training; 7 rows trained, on CIFAR-10 and CelebA" in items


def test_every_kind_of_item_is_described():
    shows = {name: kind.shows for name, kind in KINDS.items()}
    assert all(shows.values()) and len(set(shows.values())) == len(KINDS)
