"""`advcodes resolve`: what a variant comes to, and from where."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from advcodes.app.cli import main
from advcodes.app.resolve import resolved
from advcodes.config.params import read

PARAMS = Path("params.yaml")


def test_every_variant_is_printed_as_params_has_it():
    params, printed = read(scale="laptop"), yaml.safe_load(resolved(PARAMS, scale="laptop"))
    assert list(printed) == list(params.variants)
    for name, variant in params.variants.items():
        whole = variant.model_dump(mode="json")
        assert printed[name]["optimiser"] == whole["optimiser"]
        assert printed[name]["training"] == params.training_of(name).model_dump(mode="json")


def test_each_value_says_where_it_is_from():
    lines = {" ".join(line.split()) for line in resolved(PARAMS, ["gali_8_svhn"], "demo").splitlines()}
    assert {
        "# scale demo",
        "method: gali # variants.gali_4_svhn",
        "like: gali_4_svhn # variants.gali_8_svhn",
        "lr: 0.001 # scales.demo.variants.gali_4_svhn",
        "discriminator_steps: 1 # default",
        "batch_size: 64 # scales.demo.variants.gali_4_svhn",
        "precision: float32 # training",
        "value_range: [-1.0, 1.0] # architecture gali, family ali",
        "weight_decay: 0.0 # default",
    } <= lines


def test_command_line(capsys: pytest.CaptureFixture[str]):
    assert main(["resolve", "gan", "--scale", "paper"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# scale paper\ngan:\n")
    assert yaml.safe_load(out)["gan"]["value_range"] is None
    assert main(["resolve", "gann"]) == 1
    assert "unknown variant 'gann'; did you mean 'gan'?" in capsys.readouterr().err
