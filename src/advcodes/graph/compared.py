"""In what two rows of a claim differ, as params.yaml has them at a scale."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from advcodes.config import updates
from advcodes.core.errors import AdvcodesError, unknown
from advcodes.data.expected import expected, images_of
from advcodes.graph.run import Run
from advcodes.graph.training import TrainingGraph
from advcodes.methods import registry
from advcodes.methods.base import MethodConfig
from advcodes.papers.items import Claim

AFFECTS_RESULTS = False
_HOW = ("channels_last", "compile", "snapshots", "diverged")  #: of `training`: how a run is made, not what is learnt
_ROUNDED = 1e-3  #: share of two numbers of images by which whole batches of an epoch make them differ, at most
_BY_NETWORK = ("optimiser.lr", "optimiser.betas", "learning_rates", "betas")  #: compared network by network


def compared(graph: TrainingGraph, claims: Iterable[Claim]) -> dict[str, list[dict[str, Any]]]:
    """What each claim's two rows differ in that it does not name, by the claim's id.

    Args:
        graph: of a scale.
        claims: those whose column some dataset serves; those about one row alone have nothing to compare.

    Returns:
        ``key``, and the value that it has in the row claimed to be better, ``winner``, and in the other, ``loser``.

    Raises:
        AdvcodesError: a claim names a key that neither row has.
    """
    differing: dict[str, list[dict[str, Any]]] = {}
    for claim in claims:
        runs = rows(graph, claim)
        if runs is None:
            continue
        winner, loser = (settings(graph, run) for run in runs)
        known = {prefix for key in winner | loser for prefix in _prefixes(key)}
        for name in claim.differs:
            if name not in known:
                raise unknown(f"key under claims.{claim.id}.differs:", name, known)
        own = _own(*(graph.params.variants[run.variant].method for run in runs))
        differing[claim.id] = [
            d for d in differences(winner, loser, own) if not set(_prefixes(d["key"])) & set(claim.differs)
        ]
    return differing


def rows(graph: TrainingGraph, claim: Claim) -> tuple[Run, Run] | None:
    """The first run of each of a claim's two rows; None where its column is not run, or it is about one row alone."""
    dataset = graph.params.served(claim.column, claim.item)
    known = [v for v in (claim.winner, claim.loser) if v in graph.params.variants]
    if dataset is None or len(known) < 2:
        return None
    winner, loser = (Run(graph.params.scale, dataset, variant, 0) for variant in known)
    return winner, loser


def _own(one: str, two: str) -> set[str]:
    """Hyperparameters that mean something in one method only, though the other may have some of the same name."""
    configs = [registry.method(name).Config for name in (one, two)]
    kin = [c for c in configs[0].__mro__ if issubclass(c, MethodConfig) and c in configs[1].__mro__]
    shared = {field for c in kin for field in c.model_fields}
    return {field for c in configs for field in c.model_fields} - shared


def settings(graph: TrainingGraph, run: Run) -> dict[str, Any]:
    """Everything that a run learns from, flat: by dotted key.

    Beside what params.yaml says: ``images`` seen, and by kind of network ``updates``, ``lr`` and ``betas``.
    """
    config = graph.train(run).config
    hyperparameters, batch = config["method"], config["training"]["batch_size"]
    images = _images(graph, run)
    flat = dict(_flat({k: v for k, v in config["training"].items() if k not in _HOW and k != "early_stopping"}))
    flat["early_stopping"] = config["training"].get("early_stopping")
    flat |= {k: v for k, v in _flat(hyperparameters) if not k.startswith(_BY_NETWORK)}
    flat |= _flat({"architecture": config["architecture"], "lr": updates.rates(hyperparameters)})
    flat |= _flat({"betas": updates.betas(hyperparameters)})
    flat["value_range"] = config["view"]["range"]
    flat["pretrained"] = config.get("pretrained")
    flat["images"] = images
    return flat | dict(_flat({"updates": updates.updates(hyperparameters, images // batch)}))


def _images(graph: TrainingGraph, run: Run) -> int:
    """Images that a run sees, early stopping left out of account."""
    config = graph.train(run).config
    batch = config["training"]["batch_size"]
    if config["budget"]["images"] is not None:  # whatever the dataset is
        return math.ceil(config["budget"]["images"] / batch) * batch
    images = images_of(config, expected(graph.params, run.dataset), run.dataset)
    if images is None:
        raise AdvcodesError(f"budget of {run.dataset}: epochs of a folder have no known length; give `images`")
    return images


def differences(winner: Mapping[str, Any], loser: Mapping[str, Any], own: Collection[str] = ()) -> list[dict[str, Any]]:
    """Keys of two runs' :func:`settings` that differ.

    Another family of networks is one difference: its own keys, and the range of images that it sees, go with it. So is
    another method, of whose hyperparameters and networks those count that both have.

    Args:
        winner: settings of one run.
        loser: of the other.
        own: hyperparameters that mean something to one of the two methods only.
    """
    families = [s.get("architecture.family") for s in (winner, loser)]
    if families[0] != families[1]:
        one, two = ({k: v for k, v in s.items() if _of_all_families(k)} for s in (winner, loser))
        winner, loser = {**one, "architecture": families[0]}, {**two, "architecture": families[1]}
    keys = [k for k in winner if k in loser and k.partition(".")[0] not in own]
    pairs = [(k, winner[k], loser[k]) for k in keys]
    return [{"key": k, "winner": a, "loser": b} for k, a, b in pairs if a != b and not (k == "images" and _near(a, b))]


def _near(one: int, two: int) -> bool:
    """Whether two numbers of images are that of as many epochs, in whole batches of two sizes."""
    return abs(one - two) <= _ROUNDED * max(one, two)


def _of_all_families(key: str) -> bool:
    return key != "value_range" and not key.startswith("architecture.")


def _flat(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield prefix + key, value


def _prefixes(key: str) -> list[str]:
    """A dotted key and all that it is part of: ``lr.generator`` and ``lr``."""
    parts = key.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts) + 1)]
