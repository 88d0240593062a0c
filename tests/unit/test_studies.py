"""Studies: what pages are drawn from, which words change none of them, and that pages need no torch."""

from __future__ import annotations

import pickle
import pkgutil
import re
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from figure_fakes import pretend, request
from pydantic import ValidationError

from advcodes import pages
from advcodes.build.keys import code
from advcodes.config.params import read
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.papers.items import Item
from advcodes.papers.kinds import KINDS
from advcodes.papers.read import read_items
from advcodes.studies import base
from advcodes.studies.base import Cell
from advcodes.studies.request import drawn, shown
from conftest import ROOT
from evaluation_fakes import write_prepared


def test_what_is_written_is_read(tmp_path):
    arrays = {"real": np.arange(6, dtype=np.uint8).reshape(1, 1, 2, 3), "none": np.zeros((0, 2), np.float32)}
    numbers = {"split": "test", "runs": {"0": [0.1, None, 1e-17]}, "names": ["ä"]}
    study = {("gan", "celeba"): Cell(numbers, arrays), ("gan", "mnist"): Cell(), ("vae", "celeba"): Cell(numbers)}
    files = base.write(tmp_path, study)
    assert sorted(files) == sorted(p.name for p in tmp_path.iterdir())
    found = base.read(tmp_path)
    assert list(found) == list(study) and all(found[key].numbers == study[key].numbers for key in study)
    for name, array in arrays.items():
        again = found["gan", "celeba"].arrays[name]
        assert again.dtype == array.dtype and again.tolist() == array.tolist()
    assert base.write(tmp_path, {}) == ["study.json"] == [p.name for p in tmp_path.iterdir()]  # nothing old stays
    assert base.read(tmp_path) == {}


@pytest.mark.parametrize("damage", ["missing", "text", "array", "shape"])
def test_an_unreadable_study_is_said_in_one_line(tmp_path, damage):
    base.write(tmp_path, {("gan", "mnist"): Cell({}, {"real": np.zeros(3)})})
    path = tmp_path / base.STUDY
    if damage == "missing":
        path.unlink()
    elif damage == "array":
        (tmp_path / "gan.mnist.real.npy").write_bytes(b"\x93NUMPY")
    else:
        path.write_text({"text": "{", "shape": "[1]"}[damage])
    with pytest.raises(AdvcodesError, match=f"^{re.escape(str(path))}: no readable study; delete .* and run the"):
        base.read(tmp_path)


# ------------------------------------------------------------------------------------------------------------
# Kinds


@pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
def test_a_kind_has_modules_and_names_keys_of_items(kind):
    assert (ROOT / "src" / f"{kind.page.replace('.', '/')}.py").exists()
    assert (ROOT / f"src/advcodes/studies/kinds/{kind.name}.py").exists() == bool(kind.needs)
    assert {*kind.study_options(), *kind.page_options, *kind.required} <= Item.model_fields.keys()
    assert {*kind.required} <= {*kind.options, *kind.page_options}


# ------------------------------------------------------------------------------------------------------------
# Keys


def reworded(item: Item) -> Item:
    """The item with other words and other numbers of the paper."""
    said = item.declaration()
    said |= {"title": "Another title", "notes": ["another note"], "protocol": "another protocol", "source": "Table 9"}
    for row in said["rows"].values():
        row |= {"label": f"{row['label']} again", "paper": {}}
    return Item.model_validate(said | {"footnotes": {}, "reference": "Another et al."})


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values() if kind.needs])
def test_words_change_pages_and_no_study(kind):
    keys = []
    for change in (lambda item: item, reworded):
        graph = Graph(read())
        graph.items = {i: change(item) if item.kind == kind else item for i, item in graph.items.items()}
        ours = [i for i, item in graph.items.items() if item.kind == kind]
        keys.append({i: (graph.study(i).key, graph.item(i).key) for i in ours})
    for item in keys[0]:
        (study, page), (study_again, page_again) = (found[item] for found in keys)
        assert study == study_again and page != page_again, item


def test_what_a_study_is_asked_for_changes_it():
    graph, other = Graph(read()), Graph(read())
    sides = Item.model_validate(graph.items["acl/fig1"].declaration() | {"sides": ["generated"]})
    other.items = {**other.items, "acl/fig1": sides}
    assert graph.study("acl/fig1").key != other.study("acl/fig1").key
    rewired = Graph(read().model_copy(update={"seeds": [7]}))
    assert graph.study("acl/fig1").key != rewired.study("acl/fig1").key


def test_pages_are_made_from_results_and_their_study_alone():
    graph = Graph(read())
    for name, item in graph.items.items():
        artifact = graph.item(name)
        roles = {role for role in artifact.inputs if not role.startswith((f"{graph.params.scale}/", "run/"))}
        assert roles == ({"study"} if item.declares.needs else set()), name
        if item.declares.needs:
            drawn = code(*artifact.modules[:2])  # beside these are the metrics whose words it prints
            assert not {m for m in drawn if m.startswith(("advcodes.nets", "advcodes.training"))}, name


def test_what_is_drawn_from_results_alone_has_no_study():
    graph = Graph(read())
    message = "^study acl/fig8: `kind: curves` is drawn from results alone; render it instead$"
    with pytest.raises(AdvcodesError, match=message):
        graph.study("acl/fig8")
    assert "study/demo/acl/fig8" not in {a.id for a in graph.studies()}
    assert "study/demo/acl/table1" in {a.id for a in graph.studies()}


# ------------------------------------------------------------------------------------------------------------
# Pages without torch

IMAGES = np.zeros((8, 1, 8, 8), np.uint8)
ABOUT = {"split": "test", "seed": 0, "images": 8}
STEP = {"images": [0, 1], "mse": [0.1, 0.2], "steps": [0.1] * 7, "unevenness": 1.0}
ASKED = {"conditioned_on": "labels", "choices": 2, "order": [0, 1], "names": ["a", "b"], "seed": 0, "seen": {}}
CLOUD = {"x": [0.0, 1.0], "y": [1.0, 0.0], "label": [0, 1]}
NUMBERS = {"measured": 2, "mismatch": 0.1, "rank_real": 1.0, "rank_generated": 1.0, "share_real": [0.5, 0.5],
           "share_generated": [0.5, 0.5]}  # fmt: skip
CELLS = {
    "grids": Cell({}, {"real": IMAGES, "samples": IMAGES}),
    "table": Cell({}, {"samples": IMAGES}),
    "interpolation": Cell(
        {"split": "test", "first_seed": 0, "runs": {"0": [STEP]}},
        {"real": IMAGES[None, :2], "generated": IMAGES[None]},
    ),
    "reconstructions": Cell(ABOUT, {"real": IMAGES, "made": IMAGES}),
    "conditional": Cell(ASKED, {"images": IMAGES[None, :2]}),
    "energies": Cell(
        {
            **ABOUT,
            "measured": 8,
            "runs": {"0": {"generated": 0.1, "real": 0.1, "reconstructed": None, "ratio": 1.0, "balance": 0.5}},
        },
        dict.fromkeys(("generated", "real", "generated_redrawn", "real_redrawn"), IMAGES),
    ),
    "codes": Cell(
        {
            "split": "test",
            "classifier_accuracy": 0.9,
            "classes": ["a", "b"],
            "dimensions": 2,
            "projection": None,
            "seed": 0,
            "real": CLOUD,
            "generated": CLOUD,
            "runs": {"0": NUMBERS},
        }
    ),
}


def test_pages_are_imported_and_rendered_without_torch(tmp_path):
    data = write_prepared(tmp_path / "digits", IMAGES, {"train": 4, "test": 4})
    requests = []
    for kind, cell in CELLS.items():
        declared = {"id": f"acl/{kind}", "kind": kind, "metric": "fid", "columns": ["mnist"],
                    "rows": {"gan": {"label": "GAN"}}, "paper_measures": kind == "table"}  # fmt: skip
        made = request(declared, data, pretend(tmp_path / kind, ["gan/seed0"]), IMAGES)
        made.study["gan", "mnist"] = cell
        requests.append(made)
    (tmp_path / "requests.pickle").write_bytes(pickle.dumps(requests))
    modules = [m.name for m in pkgutil.walk_packages(pages.__path__, "advcodes.pages.")]
    assert set(CELLS) < {m.rpartition(".")[2] for m in modules}
    script = textwrap.dedent(f"""
        import importlib, pathlib, pickle, sys
        studies = ["advcodes.studies.make", "advcodes.studies.kinds.table", "advcodes.studies.kinds.grids"]
        for module in [*{modules!r}, *studies]:
            importlib.import_module(module)
        here = pathlib.Path({str(tmp_path)!r})
        for asked in pickle.loads((here / "requests.pickle").read_bytes()):
            importlib.import_module(asked.item.declares.page).render(asked, here, asked.item.kind)
        assert "torch" not in sys.modules
    """)
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for kind in CELLS:
        assert (tmp_path / f"{kind}.png").stat().st_size and "not run" not in (tmp_path / f"{kind}.md").read_text()


def test_a_figure_that_shows_more_shows_others():
    """AAAE's figures 11, 12 and 14 beside 2, 3 and 7."""
    first, more = drawn(360, 64), drawn(360, 64, more=True)
    assert len(more) == 64 and not set(first) & set(more)
    assert shown(np.arange(10), 4, more=True).tolist() == [4, 5, 6, 7]
    assert shown(np.arange(6), 4, more=True).tolist() == [2, 3, 4, 5], "the last ones, where there are too few"
    items, graph = read_items(), Graph(read(scale="demo"))
    for one, other in (("fig2", "fig11"), ("fig3", "fig12"), ("fig7", "fig14")):
        one, other = f"aaae/{one}", f"aaae/{other}"
        assert items[one].kind == items[other].kind and items[other].more and not items[one].more
        assert graph.study(one).config["options"] != graph.study(other).config["options"]


def test_held_out_images_are_shown_where_there_are_some():
    """Figure 7 of AAAE has CelebA's validation images; drawn scenes have none apart."""
    split = {scale: Graph(read(scale=scale)).study("aaae/fig7").config["splits"] for scale in ("paper", "demo")}
    assert split == {"paper": {"celeba_178": "val"}, "demo": {"shapes_16": "test"}}


@pytest.mark.parametrize(("key", "kinds"), [("more", "grids` or `interpolation` or `reconstructions"),
                                            ("held_out", "interpolation")])  # fmt: skip
def test_other_kinds_have_no_other_images(key: str, kinds: str):
    said = read_items()["aaae/table1"].declaration() | {key: True}
    with pytest.raises(ValidationError, match=f"{key}: goes with `kind: {kinds}` only, not with 'table'"):
        Item.model_validate(said)
