"""How often a run updates each kind of network, and at which rates: what a comparison of two runs has to know."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from advcodes.core.errors import AdvcodesError
from advcodes.methods import registry
from advcodes.methods.base import MethodConfig, Phase
from advcodes.nets.spec import Net

AFFECTS_RESULTS = False
_MOST = 2**40  #: steps of any run
_DISCRIMINATORS = ("joint_discriminator", "tuple_discriminator", "energy_discriminator")


def method_config(hyperparameters: Mapping[str, Any]) -> MethodConfig:
    """The validated hyperparameters of a run's configuration, ``config["method"]``."""
    own = {k: v for k, v in hyperparameters.items() if k != "method"}
    return registry.method(hyperparameters["method"]).Config.model_validate(own)


def updates(hyperparameters: Mapping[str, Any], steps: int) -> dict[str, int]:
    """Updates of each kind of network in so many steps.

    Args:
        hyperparameters: of the run's configuration, with ``method``.
        steps: of the loop.

    Returns:
        By kind, as networks are called whatever a method calls them: a decoder is a ``generator``, and whatever tells
        real images from others a ``discriminator``. A network that two phases update counts for both.
    """
    counts: dict[str, int] = {}
    for kind, _, phase in _steps(hyperparameters):
        last = steps if phase.until is None else min(steps, phase.until)
        count = max(0, last - phase.after) // phase.every * phase.times
        counts[kind] = counts.get(kind, 0) + count
    return counts


def steps_for(hyperparameters: Mapping[str, Any], wanted: int) -> int:
    """The least number of steps in which the generator (decoder) has so many updates.

    Raises:
        AdvcodesError: it never has.
    """
    over = 1
    while updates(hyperparameters, over).get("generator", 0) < wanted:
        over *= 2
        if over > _MOST:
            method = hyperparameters["method"]
            raise AdvcodesError(f"budget.updates: {wanted:,}, which the generator of method {method!r} never has")
    under = over // 2
    while over - under > 1:
        middle = (under + over) // 2
        enough = updates(hyperparameters, middle).get("generator", 0) >= wanted
        under, over = (under, middle) if enough else (middle, over)
    return over


def rates(hyperparameters: Mapping[str, Any]) -> dict[str, list[float]]:
    """Learning rates of each kind of network, ascending: one, or those of several phases."""
    config = method_config(hyperparameters)
    by_kind: dict[str, set[float]] = {}
    for kind, role, phase in _steps(hyperparameters):
        rate = config.learning_rates.get(role, config.optimiser.lr) * phase.rates.get(role, 1.0)
        by_kind.setdefault(kind, set()).add(float(f"{rate:.6g}"))
    return {kind: sorted(several) for kind, several in by_kind.items()}


def betas(hyperparameters: Mapping[str, Any]) -> dict[str, list[float]]:
    """Adam's beta1 and beta2 of each kind of network."""
    config = method_config(hyperparameters)
    return {kind: list(config.betas.get(role, config.optimiser.betas)) for kind, role, _ in _steps(hyperparameters)}


def _steps(hyperparameters: Mapping[str, Any]) -> Iterator[tuple[str, str, Phase]]:
    """Kind, role and phase of every update."""
    cls, config = registry.method(hyperparameters["method"]), method_config(hyperparameters)
    nets = cls.nets(config)
    for phase in cls.phases(config):
        for role in phase.updates:
            yield kind_of(nets[role]), role, phase


def kind_of(net: Net) -> str:
    """A network's kind, whatever it discriminates."""
    return "discriminator" if net.kind in _DISCRIMINATORS else net.kind
