"""Linear SVMs on an encoder's features, against scikit-learn step by step."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.svm import LinearSVC
from torch import nn

from advcodes.core.errors import AdvcodesError
from advcodes.methods.base import Method, MethodConfig
from advcodes.metrics.codes import svm
from advcodes.metrics.codes.svm import LabelledFeatures, errors, errors_of, labelled_sets
from advcodes.metrics.images.reconstruction import represent
from advcodes.metrics.registry import describe
from advcodes.nets.spec import DatasetSpec as Seen
from advcodes.training.restore import Restored
from evaluation_fakes import SAMPLING, artifact, digits, measured_by, write_prepared

CPU = torch.device("cpu")
FEW = {"labelled": 50, "validation": 200, "draws": 3, "values_of_c": 7, "seed": 3}
SPLITS = {"train_split": "train", "test_split": "test"}


class Net(Method):
    """Features are what one network makes of images."""

    name = "net"

    def represent(self, x: torch.Tensor) -> torch.Tensor:
        return self.networks["encoder"](x).flatten(1)


def run(*layers: nn.Module, shape: tuple[int, ...] = (1, 8, 8), low: float = 0.0, seed: int = 0) -> Restored:
    net = nn.Sequential(*layers)
    generator = torch.Generator().manual_seed(0)
    for p in net.parameters():
        p.data = 0.3 * torch.randn(p.shape, generator=generator)
    method = Net(MethodConfig(), {"encoder": net.eval().requires_grad_(False)}, Seen(shape))
    return Restored(method, shape, (low, 1.0), 10, 40, {"seed": seed, "view": {"train_split": "train"}})


def encoder(wide: int = 90) -> Restored:
    return run(nn.Flatten(), nn.Linear(64, wide), nn.ReLU())


def measured(root: Path, restored: Restored, data: Path | None = None, **changes: Any) -> dict[str, Any]:
    config = {"svm": SPLITS | FEW | changes, "sampling": SAMPLING}
    data = data or digits(root / "digits")
    return measured_by(
        svm.SvmError, artifact(root / "made", "evaluate/demo/digits/ali/seed0", config, data=data), restored
    )


def direct(x: np.ndarray, y: np.ndarray, c: float, dual: bool) -> LinearSVC:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LinearSVC(C=c, dual=dual, random_state=0).fit(x.astype(np.float64), y)


def clouds(n: int, wide: int, k: int = 3, seed: int = 0) -> LabelledFeatures:
    """Classes that overlap, and features far from standardised."""
    random = np.random.default_rng(seed)
    labels = np.arange(n) % k
    means = np.random.default_rng(9).normal(size=(k, wide))
    scale = np.exp(np.random.default_rng(8).normal(size=wide))
    return LabelledFeatures(
        (scale * (means[labels] + 3 * random.normal(size=(n, wide))) + 2).astype(np.float32), labels
    )


# -- the whole protocol -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", [90, 30])
def test_the_protocol_step_by_step(tmp_path: Path, wide: int):
    """More features than examples (50) or fewer: the dual or the primal problem; both are scikit-learn's."""
    data, restored = digits(tmp_path / "digits"), encoder(wide)
    found = measured(tmp_path, restored, data)
    images, labels = np.load(data / "images.npy"), np.load(data / "labels.npy")
    x = restored.method.represent(torch.from_numpy(images) / 255).numpy()
    pool, validation, test = slice(0, 1097), slice(1097, 1297), slice(1297, 1797)

    random, draws = np.random.default_rng(3), []
    for _ in range(4):
        by_class = [np.flatnonzero(labels[pool] == k) for k in range(10)]
        draws.append(np.concatenate([random.choice(rows, 5, replace=False) for rows in by_class]))

    def error(svc: LinearSVC, rows: slice) -> float:
        return 100 * float(np.mean(svc.predict(x[rows].astype(np.float64)) != labels[rows]))

    best, chosen = np.inf, 0.0
    for exponent in np.linspace(-20, 20, 7):
        there = error(direct(x[draws[0]], labels[draws[0]], np.exp(exponent), dual=wide > 50), validation)
        if there < best:
            best, chosen = there, np.exp(exponent)
    tested = [error(direct(x[d], labels[d], chosen, dual=wide > 50), test) for d in draws[1:]]
    assert found["metrics"] == {"svm_error": pytest.approx(np.mean(tested), abs=1e-9)}
    assert found["spread"] == {"svm_error": pytest.approx(np.std(tested), abs=1e-9)}
    assert found["spread"]["svm_error"] > 0 and found["metrics"]["svm_error"] < 40, "it has learnt something"
    protocol = found["protocol"]
    assert protocol["svm_c"] == pytest.approx(chosen, rel=1e-12)
    assert protocol["svm_validation_error"] == pytest.approx(best)
    expected = {
        "svm_labelled": 50,
        "svm_draws": 3,
        "svm_validation": 200,
        "svm_pool": 1097,
        "svm_split": "train",
        "svm_test_images": 500,
        "svm_test_split": "test",
        "svm_features": wide,
        "svm_values_of_c": 7,
        "svm_fits": 10,
        "svm_draws_of_pixels": 3,
    }
    assert protocol | expected == protocol and json.loads(json.dumps(found)) == found


def test_the_baseline_is_the_same_on_pixels(tmp_path: Path):
    """An encoder that hands pixels on, in the range -1 to 1, is as good as pixels."""
    found = measured(tmp_path, run(nn.Identity(), low=-1.0))
    assert found["protocol"]["svm_error_of_pixels"] == pytest.approx(found["metrics"]["svm_error"], abs=0.3)
    assert found["protocol"]["svm_error_of_pixels"] == pytest.approx(
        measured(tmp_path, encoder())["protocol"]["svm_error_of_pixels"], abs=1e-12
    ), "whatever the run"


def test_a_run_that_was_trained_on_another_split(tmp_path: Path):
    """As on SVHN, whose `extra` GALI trains on: labelled images are of `train`, and batch norm is that of `extra`."""
    images = np.random.default_rng(0).integers(0, 100, (300, 1, 8, 8)).astype(np.uint8)
    images[220:] += 100  # those of `extra` are brighter
    splits = {"train": 120, "test": 100, "extra": 80}
    data = write_prepared(tmp_path / "data", images, splits, labels=np.arange(300) % 2)
    norm = nn.BatchNorm2d(1, affine=False)
    restored = run(norm)
    restored.config["view"]["train_split"] = "extra"
    seen: list[float] = []
    norm.register_forward_pre_hook(lambda net, given: seen.append(float(given[0].min())) if net.training else None)
    protocol = measured(tmp_path, restored, data, labelled=10, validation=40)["protocol"]
    assert len(seen) == 3 and min(seen) * 255 > 99
    assert (protocol["svm_pool"], protocol["svm_split"], protocol["svm_test_images"]) == (80, "train", 100)


def test_the_baseline_takes_the_first_of_many_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    found = [measured(tmp_path, encoder(), draws=n) for n in (2, 3)]
    assert found[0]["protocol"]["svm_error_of_pixels"] != found[1]["protocol"]["svm_error_of_pixels"]
    monkeypatch.setattr(svm, "PIXEL_DRAWS", 2)
    few = measured(tmp_path, encoder(), draws=3)
    assert few["protocol"]["svm_draws_of_pixels"] == 2 and few["metrics"] == found[1]["metrics"]
    assert few["protocol"]["svm_error_of_pixels"] == found[0]["protocol"]["svm_error_of_pixels"]


def test_features_that_say_nothing_leave_chance(tmp_path: Path):
    data = digits(tmp_path / "digits")
    labels = np.random.default_rng(0).permutation(np.load(data / "labels.npy"))
    np.save(data / "labels.npy", labels)
    assert measured(tmp_path, encoder(), data)["metrics"]["svm_error"] == pytest.approx(90, abs=4)


def test_a_single_draw_has_no_spread(tmp_path: Path):
    found = measured(tmp_path, encoder(), draws=1)
    assert found["spread"] == {} and found["protocol"]["svm_draws"] == 1
    sentence = describe("svm_error", found["protocol"])
    assert "; one set of 50 labelled images" in sentence


def test_the_seed_chooses_the_sets(tmp_path: Path):
    again = [measured(tmp_path, encoder(), seed=seed)["metrics"] for seed in (3, 3, 4)]
    assert again[0] == again[1] != again[2]


# -- labelled sets ----------------------------------------------------------------------------------------------------


def test_labelled_sets_are_balanced_fresh_and_of_the_pool():
    labels = np.random.default_rng(0).integers(0, 4, 300)
    sets = labelled_sets(labels, "abcd", {"labelled": 40, "draws": 30, "seed": 0})
    assert len(sets) == 31 and {len(s) for s in sets} == {40}
    for rows in sets:
        assert len(set(rows.tolist())) == 40 and rows.min() >= 0 and rows.max() < 300
        assert np.bincount(labels[rows]).tolist() == [10] * 4
    assert len({tuple(sorted(s.tolist())) for s in sets}) == 31, "each is another"
    often = np.bincount(np.concatenate(sets), minlength=300)
    assert (often > 0).sum() > 290, "all of the pool is drawn from"
    overlap = np.mean([len({*a} & {*b}) for a, b in zip(map(np.ndarray.tolist, sets), map(np.ndarray.tolist, sets[1:]),
                                                        strict=False)])  # fmt: skip
    assert overlap == pytest.approx(40 * 40 / 300, rel=0.35), "independent of each other: not without replacement"
    again = labelled_sets(labels, "abcd", {"labelled": 40, "draws": 2, "seed": 0})
    assert all((a == b).all() for a, b in zip(sets, again, strict=False)), "fewer draws are the first of more"


def test_only_the_pool_is_drawn_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Validation and test images that the SVMs were fitted on would have labels that no image of the pool has."""
    seen: list[LabelledFeatures] = []
    whole = svm.errors
    monkeypatch.setattr(svm, "errors", lambda *parts, **kw: seen.extend(parts[:3]) or whole(*parts, **kw))
    data = digits(tmp_path / "digits")
    images = np.load(data / "images.npy")
    measured(tmp_path, run(nn.Identity()), data)
    pool, validation, test = ({x.tobytes() for x in np.rint(255 * e.features).astype(np.uint8)} for e in seen[:3])
    assert pool <= {x.tobytes() for x in images[:1097]} and 50 <= len(pool) <= 200
    assert validation == {x.tobytes() for x in images[1097:1297]} and test == {x.tobytes() for x in images[1297:]}


# -- the choice of C, and single fits ---------------------------------------------------------------------------------


@pytest.mark.parametrize("wide", [120, 12])
def test_c_is_the_first_of_the_best(wide: int):
    pool, validation, test = (clouds(n, wide, seed=seed) for seed, n in enumerate((300, 400, 500)))
    draws = [np.arange(start, start + 60) for start in (0, 60, 120)]
    found = errors(pool, validation, test, draws, 9)
    values = np.exp(np.linspace(-20, 20, 9))
    svcs = [direct(pool.features[:60], pool.labels[:60], c, wide > 60) for c in values]
    x = validation.features.astype(np.float64)
    every = [100 * np.mean(s.predict(x) != validation.labels) for s in svcs]
    assert len({round(e, 6) for e in every}) > 2, "C matters"
    assert found.c == pytest.approx(values[every.index(min(every))]) and found.validation == pytest.approx(min(every))
    assert found.fits == 11 and len(found.test) == 2
    at_most = sum(s.n_iter_ >= s.max_iter for s in svcs)
    assert at_most <= found.unconverged <= at_most + 2


def test_what_does_not_converge_is_counted_and_silent(recwarn: pytest.WarningsRecorder):
    pool = clouds(400, 10)
    found = errors(pool, clouds(100, 10, seed=1), clouds(100, 10, seed=2), [np.arange(8)] * 3, 5)
    hard = [direct(pool.features[:8], pool.labels[:8], c, dual=True) for c in np.exp(np.linspace(-20, 20, 5))]
    assert found.unconverged >= sum(s.n_iter_ >= s.max_iter for s in hard)
    assert not [w for w in recwarn if issubclass(w.category, ConvergenceWarning)]


def test_the_baseline_tries_no_c_beyond_the_first_that_does_not_converge(monkeypatch: pytest.MonkeyPatch):
    parts = [clouds(n, 12, seed=seed) for seed, n in enumerate((300, 100, 100))]
    draws = [np.arange(60)] * 2
    monkeypatch.setattr(svm, "converged", lambda fitted: fitted.C < 0.1)
    values = np.exp(np.linspace(-20, 20, 9))  # of which the fifth is 1
    few, every = errors(*parts, draws, 9, give_up=True), errors(*parts, draws, 9)
    assert (few.fits, every.fits) == (6, 10) and few.unconverged >= 1
    assert few.c <= values[4] and few.validation >= every.validation


@pytest.mark.parametrize("k", [2, 3])
@pytest.mark.parametrize("c", [1e-4, 1.0, 1e3])
def test_a_fit_in_few_coordinates_is_the_fit_in_all(k: int, c: float):
    pool, test = clouds(60, 400, k), clouds(500, 400, k, seed=1)
    ours = svm.Problem(pool, np.arange(60))
    assert ours.dual and ours.factor.shape == (60, 60)
    fitted, exact = ours.fit(c), direct(pool.features, pool.labels, c, dual=True)
    np.testing.assert_allclose(fitted.coef_, exact.coef_, rtol=1e-6, atol=1e-9 * abs(exact.coef_).max())
    np.testing.assert_allclose(fitted.intercept_, exact.intercept_, rtol=1e-6, atol=1e-9)
    wrong = 100 * np.mean(exact.predict(test.features.astype(np.float64)) != test.labels)
    np.testing.assert_allclose(errors_of([fitted, exact], test), [wrong, wrong])


def test_two_examples_alike_are_fitted_as_they_are():
    pool = clouds(60, 400)
    pool.features[7] = pool.features[4]
    pool.features[:, 3] = 0
    ours = svm.Problem(pool, np.arange(60))
    exact = direct(pool.features, pool.labels, 1.0, dual=True)
    np.testing.assert_allclose(ours.fit(1.0).coef_, exact.coef_, atol=1e-4 * abs(exact.coef_).max())


def test_errors_are_of_all_examples_in_any_chunks(monkeypatch: pytest.MonkeyPatch):
    pool, test = clouds(90, 20), clouds(101, 20, seed=1)
    svcs = [direct(pool.features, pool.labels, c, dual=False) for c in (1e-6, 1.0)]
    exact = [100 * np.mean(s.predict(test.features.astype(np.float64)) != test.labels) for s in svcs]
    for size in (1, 10, 101, 1000):
        monkeypatch.setattr(svm, "CHUNK", size)
        np.testing.assert_allclose(errors_of(svcs, test), exact)


# -- features ---------------------------------------------------------------------------------------------------------

IMAGES = np.random.default_rng(0).integers(0, 256, (130, 1, 4, 4)).astype(np.uint8)
ROWS = np.arange(130)


def of(restored: Restored, rows: np.ndarray, batch_norm: str, seen: np.ndarray = ROWS[:90]) -> np.ndarray:
    return represent(restored, IMAGES, rows, seen, SAMPLING | {"batch_norm": batch_norm}, CPU)


def test_features_are_of_images_in_the_run_s_range():
    rows = np.array([3, 4, 100, 7])
    found = of(run(nn.Identity(), shape=(1, 4, 4), low=-1.0), rows, "running")
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, IMAGES[rows].reshape(4, 16) / 127.5 - 1, atol=1e-6)


def with_norm(seed: int = 0) -> Restored:
    norm = nn.BatchNorm2d(1, affine=False, eps=1e-12)
    norm.running_mean.fill_(7.0)  # what training left there
    return run(norm, shape=(1, 4, 4), seed=seed)


def test_batch_norm_is_as_sampling_says():
    x = IMAGES.reshape(130, 16) / 255
    np.testing.assert_allclose(of(with_norm(), ROWS, "running"), x - 7, atol=1e-5)
    own = of(with_norm(), ROWS[:20], "batch")
    np.testing.assert_allclose(own, (x[:20] - x[:20].mean()) / x[:20].std(), atol=1e-4)
    seen: list[torch.Tensor] = []
    restored = with_norm()
    restored.method.encoder.register_forward_pre_hook(
        lambda net, given: seen.append(given[0].flatten(1).clone()) if net[0].training else None
    )
    found = of(restored, ROWS, "reestimate", seen=ROWS[30:95])
    assert [len(s) for s in seen] == [20, 20, 20], "whole batches, no image twice"
    known = {r.tobytes() for r in (IMAGES[30:95] / 255).astype(np.float32).reshape(65, 16).round(4)}
    assert {r.tobytes() for r in torch.cat(seen).numpy().round(4)} <= known
    mean, variance = torch.stack([s.mean() for s in seen]).mean(), torch.stack([s.var() for s in seen]).mean()
    np.testing.assert_allclose(found, (x - float(mean)) / float(variance.sqrt()), atol=1e-4)
    assert (found != of(with_norm(seed=1), ROWS, "reestimate", seen=ROWS[30:95])).any(), "the run's seed chooses them"
    assert float(restored.method.encoder[0].running_mean) == 7, "left as it was"


def test_a_last_batch_is_not_normalised_by_few_images():
    found = of(with_norm(), ROWS[:21], "batch")
    assert found.shape == (21, 16) and abs(found[20].mean()) > 0.01, "one image alone would have mean 0"


def test_features_that_are_not_finite():
    class Broken(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x / 0

    with pytest.raises(AdvcodesError, match=r"features of images by 'net' at step 10 are not finite.* lower its") as e:
        of(run(Broken(), shape=(1, 4, 4)), ROWS, "running")
    assert "\n" not in str(e.value)


# -- errors -----------------------------------------------------------------------------------------------------------


def test_a_dataset_without_classes(tmp_path: Path):
    data = write_prepared(tmp_path / "data", np.zeros((30, 1, 8, 8), np.uint8), {"train": 20, "test": 10})
    with pytest.raises(AdvcodesError, match=r"svm_error: .* 20 images of split 'train' of tiny have none; ask for"):
        measured(tmp_path, encoder(), data)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"validation": 1297},
            r"metrics.svm.validation: 1,297 of the 1,297 images of split 'train' of tiny leave none",
        ),
        ({"validation": 5000}, r"metrics.svm.validation: 5,000 of the 1,297 images .* lower it$"),
        ({"labelled": 55}, r"metrics.svm.labelled: 55 .* each of the 10 classes of tiny; expected a multiple of 10"),
        ({"labelled": 2000}, r"metrics.svm.labelled: 2,000 .* 200 of each class, and of class '0' the pool has 1\d\d;"),
        ({"test_split": "tset"}, r"split of dataset 'tiny': 'tset'; did you mean 'test'"),
    ],
)
def test_settings_that_do_not_fit_the_data(tmp_path: Path, changes: dict[str, Any], message: str):
    with pytest.raises(AdvcodesError, match=message) as error:
        measured(tmp_path, encoder(), **changes)
    assert "\n" not in str(error.value)


def test_one_class_is_none():
    with pytest.raises(AdvcodesError, match=r"each of the 1 classes of this dataset; .* \(of two classes at least\)"):
        labelled_sets(np.zeros(50, int), ["all"], {"labelled": 10, "draws": 1, "seed": 0})


def test_a_method_that_cannot(tmp_path: Path):
    class Other(Method):
        name = "other"

    method = Other(MethodConfig(), {"encoder": nn.Linear(1, 1)}, Seen((1, 8, 8)))
    with pytest.raises(AdvcodesError, match="other cannot represent"):
        measured(tmp_path, Restored(method, (1, 8, 8), (0.0, 1.0), 1, 1, {"seed": 0, "view": {"train_split": "train"}}))


# -- what is said of it -----------------------------------------------------------------------------------------------


def test_the_sentence():
    protocol = {
        "svm_labelled": 1000, "svm_draws": 100, "svm_validation": 10_000, "svm_pool": 63_257, "svm_split": "train",
        "svm_test_images": 26_032, "svm_test_split": "test", "svm_features": 5376, "svm_error_of_pixels": 77.123,
        "svm_draws_of_pixels": 10,
    }  # fmt: skip
    assert describe("svm_error", protocol) == (
        "svm_error: percent of the 26,032 images of split test that linear SVMs misclassify (one class against the "
        "others, squared hinge, L2 penalty) on 5,376 features of a deterministic encoder, its code and three hidden "
        "layers, not standardised; mean and standard deviation over 100 sets of 1,000 labelled images, as many of each "
        "class, drawn from the first 63,257 of split train; C chosen once, by its last 10,000; on pixels in place of "
        "features it is 77.12, over 10 of the sets."
    )
    differing = {k: v for k, v in protocol.items() if k not in ("svm_features", "svm_error_of_pixels")}
    assert "on features of a deterministic encoder" in describe("svm_error", differing)
    with pytest.raises(AdvcodesError, match="'svm_error': its protocol lacks svm_pool"):
        describe("svm_error", {k: v for k, v in protocol.items() if k != "svm_pool"})


def test_defaults_are_the_paper_s():
    assert svm.SvmError.Config().model_dump() == {
        "labelled": 1000, "validation": 10_000, "draws": 100, "values_of_c": 50, "seed": 0
    }  # fmt: skip
