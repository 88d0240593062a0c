"""params.yaml: every mistake is one line with the path of the key, what is allowed, and the nearest known name."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.utils.hydra import apply_overrides
from jsonschema import Draft202012Validator

from advcodes.config.params import json_schema, merge, read, resolve
from advcodes.core.errors import AdvcodesError
from advcodes.methods import registry

ROOT = Path(__file__).parents[2]


def put(tree: dict[str, Any], path: str, value: Any) -> None:
    """Set a dotted key."""
    *parents, last = path.split(".")
    for part in parents:
        tree = tree.setdefault(part, {})
    tree[last] = value


MISTAKES = [
    # key, value, what the message must say
    ("scael", "demo", r"params\.yaml: scael: unknown key; did you mean 'scale'\? \(allowed: .*scale"),
    (
        "scale",
        "labtop",
        r"params\.yaml: scale: expected one of demo, laptop, paper, got 'labtop'; did you mean 'laptop'\?",
    ),
    (
        "scales.lapto",
        {},
        r"params\.yaml: scales: expected overrides under .*got 'lapto'; did you mean 'laptop'\?",
    ),
    ("scales.demo.scale", "demo", r"scales\.demo\.scale: a scale cannot override 'scale'"),
    ("seeds", [0, 0], r"params\.yaml: seeds: each seed once, got \[0, 0\]"),
    ("seeds", [], r"params\.yaml: seeds: list should have at least 1 item"),
    ("seeds", [0, "one"], r"params\.yaml: seeds\.1: input should be a valid integer, got 'one'"),
    ("seeds", [-1], r"params\.yaml: seeds\.0: input should be greater than or equal to 0, got -1"),
    ("machine.device", "gpu", r"params\.yaml: machine\.device: string should match pattern .*got 'gpu'"),
    ("machine.thread", 2, r"machine\.thread: unknown key; did you mean 'threads'\?"),
    ("training.batch_size", 0, r"training\.batch_size: input should be greater than 0, got 0"),
    ("training.batch_size", "64", r"training\.batch_size: input should be a valid integer, got '64'"),
    (
        "training.precision",
        "fp16",
        r"training\.precision: input should be 'float32' or 'bfloat16', got 'fp16'",
    ),
    ("training.flip", "maybe", r"training\.flip: input should be a valid boolean.*got 'maybe'"),
    (
        "variants.gan.method",
        "gann",
        r"variants\.gan\.method: unknown method 'gann'; did you mean 'gan'\? \(known: aaae, aae, acl_ae, ",
    ),
    (
        "variants.gan.optimiser.lrate",
        1e-4,
        r"variants\.gan\.optimiser\.lrate: unknown key; did you mean 'lr'\? \(allowed: betas",
    ),
    ("variants.gan.optimiser.lr", "fast", r"variants\.gan\.optimiser\.lr: expected a number, got 'fast'"),
    (
        "variants.gan.optimiser.lr",
        -1e-4,
        r"variants\.gan\.optimiser\.lr: input should be greater than 0, got -0\.0001",
    ),
    (
        "variants.gan.optimiser.lr",
        True,
        r"variants\.gan\.optimiser\.lr: expected a number, not a boolean, got True",
    ),
    ("variants.gan.optimiser.betas", [0.5], r"variants\.gan\.optimiser\.betas\.1: missing"),
    (
        "variants.gan.optimiser.betas",
        [0.5, 1.0],
        r"variants\.gan\.optimiser\.betas\.1: input should be less than 1, got 1",
    ),
    ("variants.gan.n_critic", 5, r"variants\.gan\.n_critic: unknown key.*allowed: .*latent_dim"),
    (
        "variants.gan.architecture",
        "infogun",
        r"variants\.gan\.architecture: unknown architecture 'infogun'; did you mean 'infogan'",
    ),
    (
        "variants.gan.learning_rates",
        {"generador": 1e-3},
        r"variants\.gan\.learning_rates\.generador: unknown role .*'generator'",
    ),
    ("variants.new", {"latent_dim": 3}, r"variants\.new\.method: missing"),
    ("variants.acl_gan.betas", {"encodr": [0, 0.9]}, r"variants\.acl_gan\.betas\.encodr: unknown role .*'encoder'"),
    (
        "variants.acl_gan.prior",
        "four_modes",
        r"variants\.acl_gan: prior: four_modes lies in the plane: set `latent_dim: 2`, not 64",
    ),
    (
        "variants.gan.training.batchsize",
        3,
        r"variants\.gan\.training\.batchsize: unknown key; did you mean 'batch_s",
    ),
    ("variants.vae_mnist.prior", "uniform", r"variants\.vae_mnist\.prior: input should be 'normal', got 'uniform'"),
    ("training.snapshots", [], r"training\.snapshots: expected a count, or a list of images seen \(one at least\)"),
    ("per_item.acl/fig11.seeds", [1, 1], r"per_item\.acl/fig11\.seeds: each seed once, got \[1, 1\]"),
    (
        "per_item.acl/fig9",
        {"stand_ins": {"celeba": "shape"}},
        r"per_item\.acl/fig9\.stand_ins\.celeba: unknown dataset 'shape'; did you mean 'shapes'",
    ),
    (
        "architectures.infogan.family",
        "vgg",
        r"architectures\.infogan\.family: unknown family 'vgg'.*\(known: aaae, ali, alice, began, dcgan, ",
    ),
    ("architectures.infogan.widht", 3, r"architectures\.infogan\.widht: unknown key; did you mean 'width'"),
    ("datasets.cifar", {}, r"datasets\.cifar\.source: missing: 'cifar' is no built-in dataset"),
    ("datasets.mine", {"source": "folder"}, r"datasets\.mine\.path: missing: source `folder` needs the path"),
    (
        "datasets.mnist",
        {"path": "here"},
        r"datasets\.mnist\.path: goes with `source: folder` only, not with 'mnist'",
    ),
    (
        "datasets.mnist.range",
        [0, 255],
        r"datasets\.mnist\.range: expected \[0, 1\] or \[-1, 1\], got \[0\.0, 255\.0\]",
    ),
    (
        "datasets.mnist.architecture",
        "vgg",
        r"datasets\.mnist\.architecture: unknown architecture 'vgg' \(known: aaae, ali, ali_cifar10, alice, ",
    ),
    (
        "stand_ins.cifar100",
        "digits",
        r"stand_ins\.cifar100: unknown dataset 'cifar100'; did you mean 'cifar10'",
    ),
    ("stand_ins.svhn", "digit", r"stand_ins\.svhn: unknown dataset 'digit'; did you mean 'digits'"),
    (
        "scales.demo.stand_ins.celeba",
        "shape",
        r"scales\.demo\.stand_ins\.celeba: unknown dataset 'shape'; did you mean 'shapes'",
    ),
    (
        "scales.demo.budget.default",
        {"images": 1, "epochs": 1},
        r"scales\.demo\.budget\.default: give one of `images`, `epochs` and `updates`",
    ),
    (
        "scales.paper.budget.default",
        {},
        r"scales\.paper\.budget\.default: give one of `images`, `epochs` and `updates`",
    ),
    (
        "metrics.compute",
        ["fid"],
        r"metrics\.compute\.0: input should be 'fd', 'is', 'kid' or 'prc', got 'fid'",
    ),
    (
        "metrics.extractor",
        "vgg",
        r"metrics\.extractor: input should be 'classifier', 'inception', 'dinov2' or 'clip', got 'vgg'",
    ),
    (
        "sampling.batch_norm",
        "eval",
        r"sampling\.batch_norm: input should be 'reestimate', 'running' or 'batch', got 'eval'",
    ),
]


@pytest.mark.parametrize(("key", "value", "message"), MISTAKES, ids=[f"{k}={v}"[:50] for k, v, _ in MISTAKES])
def test_a_mistake_is_one_line_that_names_the_key(
    tree: dict[str, Any], tmp_path: Any, key: str, value: Any, message: str
):
    put(tree, key, value)
    if key == "scales.demo.budget.default":
        tree["scales"]["demo"]["budget"] = {"default": value}
    path = tmp_path / "params.yaml"
    path.write_text(json.dumps(tree))
    with pytest.raises(AdvcodesError) as caught:
        read(path)
    text = str(caught.value)
    assert re.search(message, text), text
    assert "\n" not in text


def test_mistakes_in_scales_that_are_not_active_are_found_too(tree: dict[str, Any], tmp_path: Any):
    tree["scales"]["paper"]["metrics"]["extractr"] = "inception"
    (tmp_path / "params.yaml").write_text(json.dumps(tree))
    with pytest.raises(AdvcodesError, match=r"scales\.paper\.metrics\.extractr: unknown key; did you mean 'extractor'"):
        read(tmp_path / "params.yaml")


def test_file_that_is_missing_or_not_yaml(tmp_path: Any):
    with pytest.raises(AdvcodesError, match="no such file; run from the repository's root"):
        read(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("scale: demo\nseeds: [0, 1\nitems: []\n")
    with pytest.raises(AdvcodesError, match=r"params\.yaml: line 3: not valid YAML"):
        read(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("scale: demo\nseeds: [0]\nscale: paper\n")
    with pytest.raises(AdvcodesError, match=r"params\.yaml: line 3: not valid YAML: 'scale' stands there twice"):
        read(tmp_path / "params.yaml")
    (tmp_path / "params.yaml").write_text("- demo\n")
    with pytest.raises(AdvcodesError, match="expected a mapping"):
        read(tmp_path / "params.yaml")


def test_a_scale_overrides_any_number_and_nothing_else(tree: dict[str, Any]):
    tree["scales"]["laptop"]["variants"] = {"gan": {"optimiser": {"lr": "3e-4"}}}
    laptop, paper = resolve(tree, scale="laptop"), resolve(tree, scale="paper")
    assert laptop.variants["gan"].optimiser.lr == 3e-4
    assert paper.variants["gan"].optimiser.lr == tree["variants"]["gan"]["optimiser"]["lr"]
    assert laptop.variants["gan"].optimiser.betas == paper.variants["gan"].optimiser.betas
    assert laptop.architectures["infogan"].width != paper.architectures["infogan"].width == 64


def test_merge_replaces_lists_and_scalars_and_keeps_its_inputs():
    base = {"a": {"b": [1, 2], "c": 3}}
    assert merge(base, {"a": {"b": [9]}, "d": 4}) == {"a": {"b": [9], "c": 3}, "d": 4}
    assert base == {"a": {"b": [1, 2], "c": 3}}


def lrs(tree: dict[str, Any], *variants: str) -> list[float]:
    """Learning rates of variants at scale demo."""
    resolved = resolve(tree, scale="demo")
    return [resolved.variants[v].optimiser.lr for v in variants]


def test_a_variant_is_like_another_at_every_scale(tree: dict[str, Any]):
    tree["variants"] |= {
        "child": {"like": "parent", "latent_dim": 8},
        "grandchild": {"like": "child", "method": "lsgan", "optimiser": {"betas": [0.1, 0.9]}},
        "parent": {"method": "gan", "latent_dim": 32, "items": ["acl/fig8"], "training": {"batch_size": 5}},
    }
    demo = tree["scales"]["demo"]["variants"]
    demo |= {"parent": {"optimiser": {"lr": 0.5}, "latent_dim": 16}}
    whole = resolve(tree, scale="demo").variants
    assert lrs(tree, "parent", "child", "grandchild") == [0.5, 0.5, 0.5]
    assert [whole[v].latent_dim for v in ("parent", "child", "grandchild")] == [16, 8, 8]  # its own word wins
    assert whole["grandchild"].method == "lsgan"
    assert whole["grandchild"].optimiser.betas == (0.1, 0.9)
    assert whole["grandchild"].training.batch_size == 5
    assert whole["child"].items == []  # where its parent stands it does not
    assert resolve(tree, scale="paper").variants["parent"].latent_dim == 32
    demo["child"] = {"optimiser": {"lr": 0.25}}
    assert lrs(tree, "parent", "child", "grandchild") == [0.5, 0.25, 0.25]


@pytest.mark.parametrize(
    ("links", "says"),
    [
        ({"a": "b", "b": "c", "c": "b"}, r"params\.yaml: variants\.c\.like: a circle: b -> c -> b$"),
        ({"a": "a"}, r"params\.yaml: variants\.a\.like: a circle: a -> a$"),
        ({"a": "gann"}, r"params\.yaml: variants\.a\.like: unknown variant 'gann'; did you mean 'gan'\? \(known: a, "),
        ({"a": ["gan", "lsgan"]}, r"variants\.a\.like: expected the name of one variant, got \['gan', 'lsgan'\]$"),
    ],
)
def test_a_variant_cannot_be_like_itself_or_like_none(tree: dict[str, Any], links: dict[str, Any], says: str):
    tree["variants"] |= {name: {"like": parent} for name, parent in links.items()}
    with pytest.raises(AdvcodesError, match=says):
        resolve(tree)


def test_a_wrong_parent_in_a_scale_is_named_there(tree: dict[str, Any]):
    tree["scales"]["demo"]["variants"]["gan"] = {"like": "gan"}
    with pytest.raises(AdvcodesError, match=r"params\.yaml: scales\.demo\.variants\.gan\.like: a circle: gan -> gan$"):
        resolve(tree, scale="demo")


def test_networks_see_images_in_the_range_of_their_family_unless_a_variant_says_otherwise(tree: dict[str, Any]):
    tree["variants"]["half"] = {"like": "dcgan", "value_range": [0, 1]}
    params = resolve(tree)
    assert params.value_range_of("dcgan", "cifar10") == (-1, 1)
    assert params.value_range_of("half", "svhn") == (0, 1)
    assert (params.value_range_of("gan", "cifar10"), params.value_range_of("gan", "svhn")) == ((0, 1), (-1, 1))


def test_params_yaml_can_be_read_on_a_few_screens():
    with open("params.yaml") as f:
        lines = f.read().splitlines()
    assert len(lines) < 240
    assert max(map(len, lines)) <= 120


def test_stand_ins_say_what_serves_a_column(tree: dict[str, Any]):
    demo, paper = resolve(tree, scale="demo"), resolve(tree, scale="paper")
    assert demo.served("cifar10") == "digits"
    assert paper.served("cifar10") == "cifar10"
    tree["scales"]["demo"]["stand_ins"]["cifar10"] = None
    assert resolve(tree, scale="demo").served("cifar10") is None


def test_schema_in_the_repository_is_what_the_models_generate():
    with open("pipeline/params.schema.json") as f:
        assert json.load(f) == json_schema(), "run `advcodes schema` and commit pipeline/params.schema.json"


def test_schema_knows_every_method_and_every_scale():
    schema = json_schema()
    text = json.dumps(schema["properties"]["variants"])
    for cls in registry.methods().values():
        assert f"{cls.__name__}Variant" in text
    assert set(schema["properties"]["scales"]["properties"]) == {"demo", "laptop", "paper"}
    assert "required" not in schema["$defs"]["Optimiser"]
    assert not [name for name in schema["$defs"] if name.endswith("Override")]


def test_schema_accepts_the_file_and_refuses_an_unknown_key(tree: dict[str, Any]):
    validator = Draft202012Validator(json_schema())
    assert not list(validator.iter_errors(tree))
    tree["training"]["batchsize"] = 3
    assert any("batchsize" in e.message for e in validator.iter_errors(tree))


def test_planning_imports_nothing_that_computes():
    """Six hundred jobs are planned within seconds only because methods are read without their arithmetic."""
    import subprocess
    import sys

    code = "import sys; from advcodes.graph.graph import Graph; from advcodes.config.params import read; "
    code += "Graph(read()).summary().key; print({'torch', 'numpy', 'PIL'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_dvc_leaves_of_a_file_that_it_sets_a_value_in(tmp_path: Path):
    """`dvc exp run -S` in the workspace, as docs/parameters.md tells."""
    file = tmp_path / "params.yaml"
    file.write_text(
        "# above a line\n"
        "a: 1  # behind a value\n"
        "shared: &rate {lr: 0.1}  # behind braces\n"
        "b: *rate\n"
        "c: {x: 1,  # inside braces\n"
        "    y: [1, 2]}\n"
        "d: [1, 2]\n"
    )
    apply_overrides(file, ["a=2"])
    assert file.read_text() == (
        "# above a line\n"
        "a: 2  # behind a value\n"
        "shared: &rate {lr: 0.1}  # behind braces\n"
        "b: *rate\n"
        "c: {x: 1, y: [1, 2]}\n"
        "d:\n- 1\n- 2\n"
    )


def test_dvc_sets_a_value_and_changes_no_other(tmp_path: Path):
    file = Path(shutil.copy(ROOT / "params.yaml", tmp_path))
    apply_overrides(file, ["variants.gan.optimiser.lr=8.0e-4"])
    expected = yaml.safe_load((ROOT / "params.yaml").read_text())
    expected["variants"]["gan"]["optimiser"]["lr"] = 8e-4
    assert yaml.safe_load(file.read_text()) == expected
