"""Figures of codes: what is encoded, generated and classified, and how it is drawn."""

from __future__ import annotations

import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from figure_fakes import SAMPLING, Asked, Clustered, coder, conditional_run, few_steps, render, request, would_be_saved
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.data.prepared import load
from advcodes.extractors import classifier
from advcodes.extractors.features import Extractor, load_extractor
from advcodes.jobs import checkpoint
from advcodes.methods.base import MethodConfig
from advcodes.methods.gan import GAN
from advcodes.nets.spec import DatasetSpec
from advcodes.pages.kinds.codes import codes
from advcodes.pages.pictures import scatter
from advcodes.studies import networks
from advcodes.studies.kinds import codes as clouds
from advcodes.studies.kinds.codes import Codes
from advcodes.training.restore import restore
from evaluation_fakes import write_prepared


class Side(nn.Module):
    """Class 1 right of zero, class 0 left of it."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[-1.0, 0.0], [1.0, 0.0]]))

    def forward(self, points):
        return points, points @ self.weight.T


SIDE = Extractor(Side(), "ab", 100, "none", True, {"accuracy": 0.97})


@pytest.fixture
def points(tmp_path):
    """1,200 standard normal points; their label tells the side of zero."""
    x = np.random.default_rng(0).standard_normal((1200, 2)).astype(np.float32)
    return load(write_prepared(tmp_path / "points", x, {"train": 200, "test": 1000}, x[:, 0] > 0))


def test_codes_of_a_run(points):
    double = nn.Linear(2, 2, bias=False)
    double.weight.data = 2 * torch.eye(2)
    test = points.split("test")
    found = clouds.codes_of(coder(double, nn.Identity(), shift=1.0), test, SIDE, SAMPLING, 3)
    np.testing.assert_allclose(found.real, 2 * test.images, rtol=1e-6)
    np.testing.assert_array_equal(found.labels, test.labels)
    assert found.generated.shape == (1000, 2) and abs(found.generated.mean() - 1) < 0.1
    np.testing.assert_array_equal(found.seen, found.generated[:, 0] > 0)
    again = clouds.codes_of(coder(double, nn.Identity(), shift=1.0), test, SIDE, SAMPLING, 3)
    np.testing.assert_array_equal(found.generated, again.generated)


def test_decoded_codes_are_normalised_as_samples_are(points):
    """Generated codes lie around 5, and batch norm centres them again, if its statistics are those of samples."""
    test = points.split("test")
    share = {}
    for mode in ("reestimate", "running"):
        run = coder(nn.Identity(), nn.BatchNorm1d(2), shift=5.0)
        share[mode] = clouds.codes_of(run, test, SIDE, SAMPLING | {"batch_norm": mode}, 0).seen.mean()
    assert share["running"] == 1 and 0.4 < share["reestimate"] < 0.6


def two_runs(dim: int = 2) -> dict[int, Codes]:
    """Seed 4 generates what it encodes, seed 7 something far away, all of it class 2."""
    rng = np.random.default_rng(0)
    made = {}
    for seed, far in ((4, 0), (7, 100)):
        real, generated = (rng.standard_normal((600, dim)).astype(np.float32) for _ in range(2))
        labels = np.arange(600) % 3
        made[seed] = Codes(real, labels, generated + far, labels if not far else np.full(600, 2))
    return made


def test_panel_has_numbers_of_all_seeds_and_points_of_the_first():
    runs = two_runs()
    found = clouds.panel(runs, ["a", "b", "c"])
    assert found["seed"] == 4 and found["dimensions"] == 2 and found["projection"] is None
    assert len(found["real"]["x"]) == len(found["generated"]["label"]) == clouds.DRAWN < 600
    np.testing.assert_allclose(found["real"]["y"], runs[4].real[: clouds.DRAWN, 1], atol=1e-3)
    assert found["real"]["label"][:4] == [0, 1, 2, 0]
    good, bad = found["runs"]["4"], found["runs"]["7"]
    assert abs(good["mismatch"]) < 0.01 and bad["mismatch"] > 0.9
    assert good["measured"] == 600 and 1.9 < good["rank_generated"] <= 2
    assert good["share_generated"] == [0.3333] * 3 and bad["share_generated"] == [0, 0, 1]


def test_codes_of_more_dimensions_are_projected_together():
    rng = np.random.default_rng(0)
    groups = np.concatenate([rng.standard_normal((60, 5)), rng.standard_normal((60, 5)) + 20]).astype(np.float32)
    plane = clouds.projected(groups)
    assert plane.shape == (120, 2)
    apart = np.linalg.norm(plane[:60].mean(0) - plane[60:].mean(0))
    assert apart > 2 * max(plane[:60].std(), plane[60:].std())
    np.testing.assert_array_equal(plane, clouds.projected(groups))
    found = clouds.panel({0: Codes(groups[:60], np.zeros(60, int), groups[60:], np.zeros(60, int))}, ["a"])
    assert "t-SNE" in found["projection"] and found["dimensions"] == 5
    np.testing.assert_allclose(found["generated"]["x"], plane[60:, 0], atol=0.01)


def test_codes_in_the_plane_or_on_a_line_stay():
    np.testing.assert_array_equal(clouds.projected(np.array([[1.0, 2.0]])), [[1, 2]])
    np.testing.assert_array_equal(clouds.projected(np.array([[3.0], [4.0]])), [[3, 0], [4, 0]])


def figure(**changes):
    """A figure of one row."""
    found = {"split": "test", "classifier_accuracy": 0.97, **clouds.panel(two_runs(), ["a", "b", "c"])}
    return {
        "item": "acl/fig1",
        "title": "Codes",
        "source": "Figure 1",
        "reference": "Yuan et al.",
        "scale": "demo",
        "columns": {"mnist": {"served_by": "digits"}},
        "rows": {"acl_ae_2d": {"label": "ACL-AE", "kind": "trained", "codes": {"mnist": found}}},
        **changes,
    }


@pytest.fixture
def drawn(monkeypatch):
    """Axes of the figure that would be saved."""
    return lambda content: would_be_saved(monkeypatch, lambda: codes.draw(content, None)).axes


def test_both_panels_have_the_same_axes_and_colours(drawn):
    left, right = drawn(figure())
    assert left.get_xlim() == right.get_xlim() and left.get_ylim() == right.get_ylim()
    assert left.get_title() == "encoder's codes $E(x)$" and right.get_title() == "generated codes $G_z(z)$"
    assert left.get_ylabel() == "ACL-AE, MNIST (served by digits)"
    colours = [tuple(dots.get_facecolor()[0]) for dots in left.collections]
    assert len(set(colours)) == 3 and colours == [tuple(dots.get_facecolor()[0]) for dots in right.collections]
    content = figure()["rows"]["acl_ae_2d"]["codes"]["mnist"]["generated"]
    of_b = np.array([content["x"], content["y"]]).T[np.array(content["label"]) == 1]
    np.testing.assert_allclose(right.collections[1].get_offsets(), of_b)
    assert [t.get_text() for t in right.texts] == ["a", "b", "c"]


def test_a_figure_without_runs_says_so(drawn):
    content = figure()
    content["rows"]["acl_ae_2d"]["codes"] = {}
    assert [t.get_text() for axes in drawn(content) for t in axes.texts] == ["not run", "not run"]


def test_limits_hold_all_but_outlying_points():
    cloud = {"x": [0.0, 10.0], "y": [4.0, 6.0]}
    loose = {"x": [5.0] * 999 + [1e6], "y": [5.0] * 999 + [20.0]}
    found = scatter.limits([cloud], [loose])
    (left, right), (low, high) = found["xlim"], found["ylim"]
    assert -1 < left < 0 and 10 < right < 11 and high - low == pytest.approx(right - left) and low < 4 < 6 < high
    assert scatter.limits([{"x": [3.0], "y": [3.0]}])["xlim"] == (2, 4)


def test_coordinates_keep_four_digits_of_the_largest():
    assert networks.coordinates(np.array([[123.4567, 0.07], [1.0, -2.0]])) == {"x": [123.5, 1.0], "y": [0.1, -2.0]}
    assert networks.coordinates(np.array([[0.00123456, 0.0]])) == {"x": [0.001235], "y": [0.0]}
    assert networks.coordinates(np.zeros((1, 2))) == {"x": [0.0], "y": [0.0]}


def test_json_keeps_lists_of_numbers_on_one_line():
    text = scatter.to_json({"x": [1.5, -2e-05], "words": ["[1,\n 2]"], "rows": [{"a": 1}]})
    assert '"x": [1.5,-2e-05]' in text and text.count("\n") == 11
    assert json.loads(text) == {"x": [1.5, -2e-05], "words": ["[1,\n 2]"], "rows": [{"a": 1}]}


def test_methods_without_codes_are_refused():
    run = coder(nn.Identity(), nn.Identity())
    networks.check_codes(run, "acl/fig1")
    gan = GAN(MethodConfig(latent_dim=2), {"generator": nn.Linear(2, 2)}, DatasetSpec((2,)))
    with pytest.raises(AdvcodesError, match="acl/fig1: gan does not both encode and sample"):
        networks.check_codes(dataclasses.replace(run, method=gan), "acl/fig1")


FIGURE = {
    "id": "acl/fig1",
    "kind": "codes",
    "metric": "fid",
    "columns": ["mnist"],
    "rows": {"acl_ae_2d": {"label": "ACL-AE"}},
}


@pytest.fixture(scope="module")
def asked(prepared, tmp_path_factory):
    """ACL-AE after a few steps on `digits`, and a classifier of digits that knows nothing."""
    root = tmp_path_factory.mktemp("codes")
    network = classifier.Classifier((1, 8, 8), 10, 4)
    about = {"shape": [1, 8, 8], "outputs": 10, "width": 4, "task": "classes", "accuracy": 0.125}
    checkpoint.save(root / "classifier.pt", {**about, "state": network.state_dict()})
    few_steps(prepared, root, "acl_ae", method__latent_dim=2, training__snapshots=1)
    extractor = {"extractor/digits": SimpleNamespace(directory=root)}
    return request(FIGURE, prepared / "digits", {"acl_ae_2d/seed0": root}, np.zeros(0), **extractor)


def test_files_of_a_figure(asked, tmp_path):
    assert sorted(render(asked, tmp_path, "fig1")) == ["fig1.json", "fig1.md", "fig1.png", "fig1.svg"]
    assert all(0 < (tmp_path / f"fig1.{end}").stat().st_size < 300_000 for end in ("json", "md", "png"))
    found = json.loads((tmp_path / "fig1.json").read_text())["rows"]["acl_ae_2d"]["codes"]["mnist"]
    test = load(asked.inputs["data/digits"].directory).split("test")
    assert found["real"]["label"] == test.labels[: clouds.DRAWN].tolist() and found["classes"] == list("0123456789")
    extractor = load_extractor(asked.inputs["extractor/digits"].directory, "classifier")
    expected = clouds.codes_of(restore(asked.run(asked.results[0])), test, extractor, SAMPLING, 0)
    assert found["generated"]["label"] == expected.seen[: clouds.DRAWN].tolist()
    assert found["metric"] == {"0": 3} and found["runs"].keys() == {"0"}
    page = (tmp_path / "fig1.md").read_text()
    assert "12.5 % right on test images" in page and "coloured by the class that a classifier" in page
    assert "| ACL-AE | MNIST (served by digits) | 2 |" in page and "| decoded G_z(z), as classified |" in page
    assert "of 500 a side, from the networks of 1 seed" in page and "Projection" not in page


def test_a_dataset_without_classes_is_refused(asked, tmp_path):
    content = checkpoint.load(asked.inputs["extractor/digits"].directory / "classifier.pt")
    checkpoint.save(tmp_path / "classifier.pt", {**content, "task": "rotations"})
    inputs = {**asked.inputs, "extractor/digits": SimpleNamespace(directory=tmp_path)}
    with pytest.raises(AdvcodesError, match="acl/fig1: 'digits' has no classes to colour codes by; serve 'mnist'"):
        render(dataclasses.replace(asked, inputs=inputs), tmp_path, "fig1")


def test_a_page_without_runs(asked, tmp_path):
    render(dataclasses.replace(asked, columns={"mnist": None}, results=[]), tmp_path, "fig1")
    assert "**Not run** at this scale: MNIST." in (tmp_path / "fig1.md").read_text()


# ------------------------------------------------------------------------------------------------------------
# Codes that are asked for


@pytest.mark.parametrize(("kind", "choices"), [(Asked, ("left", "right")), (Clustered, ("0", "1", "2", "3"))])
def test_colours_of_what_was_asked_need_no_classifier(points, kind, choices):
    run = conditional_run(kind, (2,), encoder=nn.Identity())
    test = dataclasses.replace(points.split("test"), classes=("left", "right"))
    found = clouds.codes_of(run, test, None, SAMPLING, 3)
    assert found.choices == choices and len(found.generated) == len(found.real) == 1000
    np.testing.assert_array_equal(found.generated[:, 0], found.seen)  # the first number of a code is what was asked
    drawn = torch.Generator().manual_seed(3)
    np.testing.assert_array_equal(run.method.codes(1000, drawn), found.generated)
    alone = clouds.codes_of(run, test, None, SAMPLING, 3, ["generated"])
    assert alone.real.shape == (0, 2) and len(alone.labels) == 0 and len(alone.generated) == networks.MEASURED


def test_generated_codes_are_normalised_as_samples_are(points):
    """A code generator's batch norm centres codes, whatever its running statistics are."""

    class Normalised(Asked):
        sampling_roles = ("code_generator", "decoder")

        def codes_given(self, conditions, noise):
            return self.code_generator(5 + noise)

    run = conditional_run(Normalised, (2,), encoder=nn.Identity())
    norm = nn.BatchNorm1d(2).eval().requires_grad_(False)
    networks = {**run.method.networks, "code_generator": norm, "decoder": nn.Identity()}
    run = dataclasses.replace(run, method=Normalised(run.method.config, networks, run.method.spec))
    means = {}
    for mode in ("reestimate", "running"):
        found = clouds.codes_of(run, points.split("test"), None, SAMPLING | {"batch_norm": mode}, 0)
        means[mode] = found.generated.mean()
    assert abs(means["reestimate"]) < 0.2 and means["running"] == pytest.approx(5, abs=0.2)
    assert float(norm.running_mean.sum()) == 0  # left as it was


def two_asked(sides=2) -> dict[int, Codes]:
    """Three clusters far apart; labels of what is encoded are of two kinds, at random."""
    rng = np.random.default_rng(0)
    made = {}
    for seed in (4, 7):
        seen = np.arange(1500) % 3
        generated = (rng.standard_normal((1500, 2)) + 20 * seen[:, None]).astype(np.float32)
        real = rng.standard_normal((1500 * (sides == 2), 2)).astype(np.float32)
        labels = rng.integers(0, 2, len(real))
        made[seed] = Codes(real, labels, generated, seen, ("0", "1", "2"))
    return made


def test_a_panel_of_what_was_asked():
    found = clouds.panel(two_asked(), ["a", "b"])
    assert found["classes"] == ["a", "b"] and found["choices"] == ["0", "1", "2"]
    assert len(found["real"]["x"]) == len(found["generated"]["x"]) == clouds.DRAWN
    numbers = found["runs"]["7"]
    assert numbers["knn_generated"] == 1 and 0.4 < numbers["knn_real"] < 0.6 and numbers["mismatch"] > 0.5
    assert not any(key.startswith("share") for key in numbers)


def test_a_panel_of_generated_codes_alone():
    found = clouds.panel(two_asked(sides=1), ["a", "b"])
    assert "real" not in found and len(found["generated"]["x"]) == 2 * clouds.DRAWN
    assert found["runs"]["4"].keys() == {"measured", "rank_generated", "knn_generated"}
    assert found["runs"]["4"]["measured"] == 1500


def test_neighbours_agree_with_scikit_learn():
    from sklearn.model_selection import LeaveOneOut, cross_val_score
    from sklearn.neighbors import KNeighborsClassifier

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 120)
    codes_ = (rng.standard_normal((120, 4)) + 1.2 * labels[:, None]).astype(np.float32)
    expected = cross_val_score(KNeighborsClassifier(clouds.NEIGHBOURS), codes_, labels, cv=LeaveOneOut()).mean()
    assert clouds.neighbours(codes_, labels) == pytest.approx(expected) and 0.5 < expected < 0.95
    assert clouds.neighbours(codes_[:3], np.array([0, 1, 1])) == 0  # ties go to the first label


def asked_figure(asks, sides=2):
    found = {
        "split": "test",
        "conditioned_on": asks,
        **clouds.panel(two_asked(sides), ["a", "b", "c"]),
        "metric": {"4": 0.5, "7": 0.7},
    }
    column = {"served_by": "digits", "metric": None}
    row = {"label": "LPAAE", "kind": "trained", "codes": {"mnist": found}}
    facts = {"kind": "codes", "paper_metric": None, "better": "higher", "paper_protocol": "t-SNE", "notes": []}
    return figure(columns={"mnist": column}, rows={"lpaae": row}, **facts)


def test_clusters_have_names_and_a_legend_of_their_own(drawn):
    left, right = drawn(asked_figure("clusters"))
    assert (left.get_title(), right.get_title()) == ("encoder's codes enc(x)", "generated codes CG(z, s)")
    assert [t.get_text() for t in left.get_legend().get_texts()] == ["a", "b", "c"]
    assert [t.get_text() for t in right.get_legend().get_texts()] == ["0", "1", "2"]
    assert (left.get_legend().get_title().get_text(), right.get_legend().get_title().get_text()) == ("class", "cluster")


def test_generated_codes_alone_stand_side_by_side(drawn):
    content = asked_figure("labels", sides=1)
    codes_ = content["rows"]["lpaae"]["codes"]["mnist"]
    content["rows"]["lpaae"]["codes"] = {c: codes_ for c in ("mnist", "svhn", "cifar10", "celeba")}
    content["columns"] = {c: {"served_by": "digits"} for c in content["rows"]["lpaae"]["codes"]}
    panels = drawn(content)
    titles = ["LPAAE, MNIST (served by digits)", "LPAAE, SVHN (served by digits)", "LPAAE, CIFAR-10 (served by digits)"]
    assert [p.get_title() for p in panels] == [*titles, "LPAAE, CelebA (served by digits)", "", ""]
    assert [p.axison for p in panels] == [True] * 4 + [False] * 2
    assert sum(len(dots.get_offsets()) for dots in panels[0].collections) == 2 * clouds.DRAWN


def page(content):
    return codes.markdown(content, "f.png", ["f.json"])


def test_the_page_of_clusters():
    found = page(asked_figure("clusters"))
    assert "Right: as many codes that the code generator makes of noise and a cluster drawn at random" in found
    assert "colours of classes and of clusters have nothing to do with each other" in found
    assert "| Neighbours of the same class, enc(x), in % | Neighbours asked for the same, CG(z, s), in % |" in found
    assert "| 100.0 ± 0.0 | 0.600 ± 0.141 |" in found and "**Neighbours**: how well classes or clusters" in found
    assert "Classifier" not in found and "Share of each class" not in found


def test_the_page_of_generated_codes_alone():
    found = page(asked_figure("labels", sides=1))
    assert "1,000 codes that the code generator makes of noise and a class drawn at random, coloured by this" in found
    assert (
        "| Model | Dataset | d | Effective rank of CG(z, s) | Neighbours asked for the same, CG(z, s), in % |" in found
    )
    assert "Left:" not in found and "Mismatch" not in found


@pytest.mark.parametrize(("sides", "panels"), [(["encoded", "generated"], 2), (["generated"], 1)])
def test_files_of_codes_by_label(prepared, tmp_path, monkeypatch, sides, panels):
    """From a run that was trained for a few steps."""
    monkeypatch.setattr(clouds, "DRAWN", 60)
    (tmp_path / "run").mkdir()
    few_steps(prepared, tmp_path / "run", "lpaae_supervised", training__snapshots=1)
    network = classifier.Classifier((1, 8, 8), 10, 4)
    about = {"shape": [1, 8, 8], "outputs": 10, "width": 4, "task": "classes", "accuracy": 0.125}
    checkpoint.save(tmp_path / "classifier.pt", {**about, "state": network.state_dict()})
    declared = {**FIGURE, "sides": sides, "rows": {"lpaae": {"label": "LPAAE"}}}
    extractor = {"extractor/digits": SimpleNamespace(directory=tmp_path)}
    made = request(declared, prepared / "digits", {"lpaae/seed0": tmp_path / "run"}, np.zeros(0), **extractor)
    render(made, tmp_path, "fig11")
    found = json.loads((tmp_path / "fig11.json").read_text())["rows"]["lpaae"]["codes"]["mnist"]
    assert found["conditioned_on"] == "labels" and found["choices"] == list("0123456789")
    assert ("knn_training" in found["runs"]["0"]) == (panels == 2), (
        "of images that were trained on, where some are shown"
    )
    assert ("real" in found) == (panels == 2) and len(found["generated"]["x"]) == 120 / panels
    assert (tmp_path / "fig11.png").stat().st_size < 300_000
