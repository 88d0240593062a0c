"""Scale `paper` with a few images, samples and steps of everything that is not a network: what a rehearsal runs."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unittest import mock

from advcodes.app.rehearse import originals
from advcodes.config.like import merge
from advcodes.config.params import Params, resolve
from advcodes.core.yaml import read_yaml

AFFECTS_RESULTS = False
GENERATED, REFERENCE = 10, 20  #: images that metrics compare
LEAST_SIDE = 75  #: of an image that Inception's network has room for
#: Counts that take the place of the scale's; networks, batches, precision and rates stay.
COUNTS: dict[str, Any] = {
    "sampling": {"batch_size": 20, "reestimate_batches": 2},
    "metrics": {
        "n_generated": GENERATED,
        "n_generated_is": GENERATED + 2,
        "n_reference": REFERENCE,
        "curve_n_generated": 4,
        "kid_subset_size": 5,
        "kid_subsets": 2,
        "classifier": {"epochs": 1},
        "mnist_score": {"epochs": 1, "copies": 1},
        "feature_network": {"digits_epochs": 1, "attributes_epochs": 1},
        "svm": {"labelled": 50, "validation": 60, "draws": 2},
    },
    "text": {"steps": 3},
}
HELD_OUT = 40  #: images set aside where a dataset sets any aside
POINTS = 2_000  #: of drawn data


def settings(file: Path, scale: str, over: Mapping[str, Any]) -> Params:
    """params.yaml at a scale, with :data:`COUNTS` and one seed.

    Args:
        file: params.yaml.
        scale: that is rehearsed.
        over: `machine`, where to run, over the file's.

    Raises:
        AdvcodesError: the file is missing or does not validate.
    """
    tree = read_yaml(file)
    whole = resolve(tree, str(file), scale)
    datasets: dict[str, Any] = {}
    for name, view in whole.datasets.items():
        if view.hold_out:
            datasets[name] = {"hold_out": HELD_OUT}
        if whole.source(name) in ("shapes", "gaussians"):
            datasets[name] = {"count": POINTS}
    counts = {**COUNTS, "seeds": [0], "datasets": datasets, "machine": dict(over),
              "per_item": {item: {"seeds": [0]} for item, own in whole.per_item.items() if own.seeds}}  # fmt: skip
    scales = {**tree.get("scales", {}), scale: merge(tree.get("scales", {}).get(scale) or {}, counts)}
    return resolve({**tree, "scales": scales}, str(file), scale)


def machine(folder: Path) -> dict[str, str]:
    """Of params.yaml: where :func:`made` puts files."""
    return {"mirror": str(folder / "mirror"), "inception_weights": str(folder / "inception.pth")}


@contextlib.contextmanager
def made(folder: Path, files: bool, inception: bool) -> Iterator[None]:
    """Original files of noise, and Inception of random weights, in a folder, which pass for real ones meanwhile."""
    with contextlib.ExitStack() as stack:
        if files:
            stack.enter_context(originals.standing_in(folder / "mirror"))
        if inception:
            stack.enter_context(_inception(folder / "inception.pth"))
            stack.enter_context(_few_samples())
        yield


@contextlib.contextmanager
def _inception(path: Path) -> Iterator[None]:
    """A file like that of the published weights, of networks as they are before training."""
    import torch

    from advcodes.extractors import inception
    from advcodes.extractors.features import sha256
    from advcodes.metrics.extracted import fidelity

    if not path.exists():
        extractor = fidelity("feature_extractor_inceptionv3").FeatureExtractorInceptionV3
        nothing = io.BytesIO()
        torch.save({}, nothing)
        nothing.seek(0)
        with torch.random.fork_rng(devices=[]), mock.patch.object(extractor, "load_state_dict", lambda *_: None):
            torch.manual_seed(0)
            net = extractor("rehearsal", ["2048"], feature_extractor_weights_path=nothing)
        for module in net.modules():
            if isinstance(module, torch.nn.Conv2d):
                torch.nn.init.kaiming_normal_(module.weight)  # signals neither fade nor grow
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(net.state_dict(), path)
    weights = dataclasses.replace(inception.WEIGHTS, sha256=sha256(path))
    network = functools.cache(inception.network)  # to build it takes as long as a rehearsed training
    with mock.patch.object(inception, "WEIGHTS", weights), mock.patch.object(inception, "network", network):
        yield


@contextlib.contextmanager
def small_inception() -> Iterator[None]:
    """Let Inception see images of the least side that it can: a sixteenth of the time, for runs' metrics.

    Of each dataset the reference is made at its full side, and so is what GALI-PT learns from.
    """
    from advcodes.metrics.extracted import fidelity

    extractor = fidelity("feature_extractor_inceptionv3").FeatureExtractorInceptionV3
    with mock.patch.object(extractor, "INPUT_IMAGE_SIZE", LEAST_SIDE):
        yield


@contextlib.contextmanager
def _few_samples() -> Iterator[None]:
    """Take the Fréchet distance of few samples by the rank of their covariances, but for the first one.

    The eigenvalues of a product of two 2,048 x 2,048 matrices take a dozen seconds a time; where one of them has a rank
    below that of a basis, those of its image in this basis are the same but for zeros.
    """
    import numpy as np

    from advcodes.metrics.samples import frechet

    whole, calls = frechet.frechet_distance, 0

    def distance(a: Any, b: Any) -> float:
        nonlocal calls
        calls += 1
        if calls == 1 or len(a.mean) <= 2 * REFERENCE:
            return whole(a, b)
        basis, _ = np.linalg.qr(a.covariance @ np.random.default_rng(0).standard_normal((len(a.mean), 2 * REFERENCE)))
        inner = [basis.T @ s.covariance @ basis for s in (a, b)]
        roots = np.sqrt(np.linalg.eigvals(inner[0] @ inner[1]).astype(complex)).real
        between = ((a.mean - b.mean) ** 2).sum()
        return float(between + np.trace(a.covariance) + np.trace(b.covariance) - 2 * roots.sum())

    with mock.patch.object(frechet, "frechet_distance", distance):
        yield
