"""When a controller settles: scripted errors with known answers, logs as training writes them, and the words."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from pages_fakes import CURVES, item

from advcodes.config.params import resolve
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.metrics.course import settling
from advcodes.metrics.course.settling import SettlingTime
from advcodes.metrics.registry import describe
from advcodes.pages import text
from advcodes.pages.results import only
from advcodes.training.restore import restore
from advcodes.training.train import LossLog, train
from conftest import run_config
from evaluation_fakes import artifact, measured_by

ETA, ENERGY = 0.5, 0.25
BATCH, EVERY = 16, 50
POINT = BATCH * EVERY  #: images from one logged point to the next


def logged(directory: Path, errors: Sequence[float], energies: Sequence[float] | float = ENERGY) -> Path:
    """A run whose log has these errors e, and energies L_d of real images."""
    log = LossLog(directory / "losses.csv", BATCH)
    log.start()
    for i, (e, real) in enumerate(zip(errors, np.broadcast_to(energies, len(errors)), strict=True), 1):
        values = {"k": 0.001 * i, "accuracy": 0.5, "balance": e, "convergence": real + abs(e)}
        log.write(i * EVERY, {f"discriminate/{name}": value for name, value in values.items()})
    log.close()
    return directory


def measured(
    directory: Path, band: float = 0.1, window: int = 1, diversity: float = ETA, **more: float
) -> dict[str, Any]:
    """Of a window of so many logged points."""
    config = {"settling": SettlingTime.Config(band=band, window=window * POINT).model_dump(mode="json")}
    restored = SimpleNamespace(method=SimpleNamespace(config=SimpleNamespace(diversity=diversity, **more)))
    return measured_by(SettlingTime, artifact(directory / "metrics", "evaluate/x", config, run=directory), restored)


def settles(directory: Path, relative: Sequence[float], **kw: Any) -> tuple[int, bool]:
    """Of errors relative to eta L_d: logged points until they have settled, and whether they have."""
    found = measured(logged(directory, ETA * ENERGY * np.asarray(relative)), **kw)
    images = found["metrics"]["settling_images"]
    assert images % POINT == 0
    return images // POINT, found["protocol"]["settled"]


# -- settling time ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [1, -1])
def test_an_exponential_decay_settles_where_it_enters_the_band(tmp_path: Path, sign: int):
    """2 exp(-t / 20) is 0.1 at t = 20 ln 20 = 59.9."""
    assert settles(tmp_path, sign * 2 * np.exp(-np.arange(1, 201) / 20)) == (60, True)


def test_the_mean_over_a_window_lags_behind(tmp_path: Path):
    """The mean of the last W of r^t is r^(t - W + 1) (1 - r^W) / (W (1 - r)): below 0.1 of 2 from t = 64.7 on."""
    r, w = np.exp(-1 / 20), 10
    t = np.log(0.05 * w * (1 - r) / (1 - r**w)) / np.log(r) + w - 1
    assert 64 < t < 65
    assert settles(tmp_path, 2 * r ** np.arange(1, 201), window=w) == (65, True)


def test_what_was_never_far_off_has_settled_with_the_first_window(tmp_path: Path):
    assert settles(tmp_path, np.full(40, 0.05), window=10) == (10, True)


@pytest.mark.parametrize("relative", [np.full(40, 0.2), np.sin(np.arange(40)), [*np.zeros(39), -0.11]])
def test_what_is_outside_at_the_end_has_not_settled(tmp_path: Path, relative: Sequence[float]):
    assert settles(tmp_path, relative) == (40, False)


def test_leaving_the_band_again_late_counts(tmp_path: Path):
    assert settles(tmp_path, [1, 0.5, *np.zeros(20), -0.3, *np.zeros(17)]) == (24, True)


def test_errors_of_both_signs_cancel_within_a_window(tmp_path: Path):
    """Swings that are shorter than the window are no imbalance; a moving mean of sizes would never settle."""
    assert settles(tmp_path, [0.5, -0.5] * 20, window=10) == (10, True)
    assert settles(tmp_path, [0.5, -0.5] * 20) == (40, False)


def test_the_edge_is_within_the_band(tmp_path: Path):
    assert settles(tmp_path, [1.0, 0.25, 0.25], band=0.25) == (2, True)


def test_a_ratio_of_means_and_not_a_mean_of_ratios(tmp_path: Path):
    """e = 0.1 and 0 where L_d = 0.2 and 1.8: 0.1 of a whole of 1, but ratios 1 and 0 with mean 0.5."""
    logged(tmp_path, [0.1, 0.0], [0.2, 1.8])
    course = settling.read(tmp_path)
    assert course.relative(ETA, 2).tolist() == pytest.approx([1.0, 0.1])
    assert measured(tmp_path, window=2, band=0.11)["metrics"]["settling_images"] == 2 * POINT
    assert not measured(tmp_path, window=2, band=0.09)["protocol"]["settled"]


def test_moving_means_begin_with_what_there_is():
    assert settling.moving_mean(np.array([4.0, 2.0, 0.0, 8.0]), 3).tolist() == pytest.approx([4, 3, 2, 10 / 3])


@pytest.mark.parametrize("noise", [0.05, 0.15])
def test_a_run_in_perfect_balance_has_settled_at_once_whatever_its_minibatches_do(tmp_path: Path, noise: float):
    """Errors of single minibatches leave the band all the time; a window of 32,000 images does not."""
    relative = noise * np.random.default_rng(0).standard_normal(3000)
    found = measured(logged(tmp_path, ETA * ENERGY * relative), window=40)
    assert found["metrics"]["settling_images"] == 40 * POINT and found["metrics"]["balance_share"] == 1.0
    if noise > 0.1:  # ten points, as it was counted before, tell of noise
        assert measured(tmp_path, window=10)["metrics"]["settling_images"] > 2000 * POINT


def test_the_share_of_time_in_balance(tmp_path: Path):
    logged(tmp_path, ETA * ENERGY * np.array([1.0, 0.5, 0.05, -0.05, 0.3, 0.05, -0.05, 0.02]))
    assert measured(tmp_path)["metrics"]["balance_share"] == pytest.approx(5 / 8)


@pytest.mark.parametrize("alpha", [0.0, 0.3])
def test_in_balance_the_energies_are_as_eta_over_one_plus_alpha(tmp_path: Path, alpha: float):
    """With alpha L_v beside L_g in the balance: 0.385 where eta is 0.5 and alpha 0.3 (Khan Eq. 10)."""
    logged(tmp_path, np.zeros(5))
    assert measured(tmp_path, vae_weight=alpha)["metrics"]["energy_ratio"] == pytest.approx(ETA / (1 + alpha))


# -- logs -------------------------------------------------------------------------------------------------------


def test_the_protocol(tmp_path: Path):
    found = measured(logged(tmp_path, np.zeros(12)), band=0.2, window=3)
    assert found["protocol"] == {
        "settled": True, "settling_band": 0.2, "settling_window": 3 * POINT, "settling_points": 3,
        "settling_every": POINT, "settling_diversity": ETA,
    }  # fmt: skip
    assert isinstance(found["metrics"]["settling_images"], int)


def test_the_course_is_what_the_log_has(tmp_path: Path):
    course = settling.read(logged(tmp_path, [-0.25, 0.125], [0.5, 0.25]))
    assert course.images.tolist() == [POINT, 2 * POINT] and course.total == 2 * POINT
    assert (course.k.tolist(), course.balance.tolist()) == ([0.001, 0.002], [-0.25, 0.125])
    assert course.convergence.tolist() == [0.75, 0.375]


def test_a_last_line_without_values_counts_as_length_alone(tmp_path: Path):
    logged(tmp_path, [1.0, 1.0])
    with open(tmp_path / "losses.csv", "a") as f:
        f.write("117,1872,,,,\n")
    assert measured(tmp_path)["metrics"]["settling_images"] == 1872


@pytest.mark.parametrize("method", ["began", "began_lsm", "vae_began_lsm"])
def test_a_trained_run(method: str, prepared: Path, tmp_path: Path):
    config = run_config(method, architecture={"family": "began", "width": 4}, view__range=[-1.0, 1.0])
    train(config, prepared / "digits", tmp_path, torch.device("cpu"), log_every=2)
    asked = {"settling": {"band": 0.1, "window": 2 * 2 * 32}}
    found = measured_by(SettlingTime, artifact(tmp_path / "m", "evaluate/x", asked, run=tmp_path), restore(tmp_path))
    assert 2 * 2 * 32 <= found["metrics"]["settling_images"] <= 320
    assert found["protocol"]["settling_every"] == 2 * 32 and found["protocol"]["settling_diversity"] == 0.5


def test_a_method_without_a_controller(prepared: Path, tmp_path: Path):
    train(run_config("gan"), prepared / "digits", tmp_path, torch.device("cpu"), log_every=2)
    with pytest.raises(
        AdvcodesError,
        match=r"losses.csv: lacks discriminate/k, discriminate/balance, discriminate/convergence: only methods with a "
        r"controller .* take this variant out",
    ):
        settling.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no readable log of losses; delete it and train this run again"),
        ("", "no readable log of losses"),
        ("step,images,discriminate/k,discriminate/balance,discriminate/convergence\n50,800,0,x,1\n", "no readable log"),
        ("step,images,discriminate/k,discriminate/balance,discriminate/convergence\n50,800,0\n", "no readable log"),
        (
            "step,images,discriminate/k,discriminate/balance,discriminate/convergence\n50,800,0,nan,1\n",
            r"discriminate/balance is nan at 800 images, expected a finite number; has the run diverged\?",
        ),
    ],
)
def test_bad_logs(content: str | None, message: str, tmp_path: Path):
    if content is not None:
        (tmp_path / "losses.csv").write_text(content)
    with pytest.raises(AdvcodesError, match=rf"losses.csv: .*{message}"):
        settling.read(tmp_path)


def test_a_log_that_is_too_short(tmp_path: Path):
    with pytest.raises(
        AdvcodesError,
        match=r"losses.csv: 9 logged points, and the 8,000 images of metrics.settling.window have 10; lower it, or",
    ):
        measured(logged(tmp_path, np.zeros(9)), window=10)


def test_nothing_to_be_relative_to(tmp_path: Path):
    logged(tmp_path, [0.5, 0.5, 0.5], [0.25, 0.0, 0.25])
    with pytest.raises(AdvcodesError, match=r"losses.csv: eta L_d is 0 at 1,600 images, expected above 0"):
        measured(tmp_path)
    with pytest.raises(AdvcodesError, match=r"eta L_d is 0 at 800 images, .*`diversity` 0"):
        measured(tmp_path, diversity=0.0)


# -- words ------------------------------------------------------------------------------------------------------


def test_the_footnote():
    protocol = {"settled": True, "settling_band": 0.1, "settling_window": 8000, "settling_points": 10}
    assert describe("settling_images", protocol) == (
        "settling_images: training images seen until the error of BEGAN's controller, e = eta L_d - L_g (with "
        "reconstructions, - alpha L_v, too), stays within ±10 % of eta L_d to the end of training, both as means over "
        "the last 8,000 images (10 logged points), so never fewer than these (the settling time of control theory; our "
        "own choice: no paper reports it)."
    )
    some = describe("settling_images", {**protocol, "settling_never": (2, 6)})
    assert some.endswith("no paper reports it); 2 of 6 runs never settled; they count as the whole training.")
    assert describe("settling_images", protocol | {"settling_never": (0, 6)}) == describe("settling_images", protocol)
    other = describe("settling_images", {k: v for k, v in protocol.items() if k != "settling_points"})
    assert "the last 8,000 images, so never" in other, "rows of other batch sizes"
    assert "share of the training in which the error" in describe("balance_share", protocol)
    assert "in balance it is eta / (1 + alpha)" in describe("energy_ratio", protocol)
    with pytest.raises(AdvcodesError, match="its protocol lacks settling_window"):
        describe("settling_images", {"settling_band": 0.1})
    assert text.arrow("settling_images") == "↓"


def test_a_run_without_it_is_named():
    with pytest.raises(AdvcodesError, match="only runs of methods with a controller have it"):
        only("settling_images", ["fd_classifier"], "khan/controller, digits")


# -- the graph --------------------------------------------------------------------------------------------------


def test_only_runs_are_measured_of_which_an_item_shows_it(tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch):
    for variant in ("shown", "hidden"):
        tree["variants"][variant] = {"method": "began", "architecture": "began"}
    declared = item(CURVES, id="khan/x", kind="grids", metric="settling_images", columns=["cifar10"],
                    rows={"shown": {"label": "BEGAN"}})  # fmt: skip

    def graph(items: dict[str, Any], **settings: Any) -> Graph:
        tree["metrics"]["settling"] = settings
        made = Graph(resolve(tree))
        monkeypatch.setitem(vars(made), "items", items)
        return made

    before, after, other = graph({}), graph({"khan/x": declared}), graph({"khan/x": declared}, window=20_000)
    shown, hidden, gan = (Run("demo", "digits", variant, 0) for variant in ("shown", "hidden", "gan"))
    assert after.metrics(shown).config["settling"] == {"band": 0.1, "window": 32_000}
    assert "advcodes.metrics.course.settling" in after.metrics(shown).modules
    assert after.metrics(shown).inputs.keys() == before.metrics(shown).inputs.keys()
    assert after.metrics(shown).key != before.metrics(shown).key
    for run in (hidden, gan):
        assert before.metrics(run).key == after.metrics(run).key == other.metrics(run).key
    assert other.metrics(shown).key != after.metrics(shown).key
    assert other.train(shown).key == after.train(shown).key == before.train(shown).key
