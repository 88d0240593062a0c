"""Which claims' rows share their random numbers, seed by seed: only those are tested in pairs."""

from __future__ import annotations

from collections.abc import Iterable

from advcodes.graph.compared import rows, settings
from advcodes.graph.training import TrainingGraph
from advcodes.papers.items import Claim

AFFECTS_RESULTS = False
#: Settings that change what is done with random numbers, but neither which are drawn nor in what order.
_STEPS, _WEIGHTS = ("lr", "betas", "optimiser", "objective"), ("_weight", "_gain")


def paired(graph: TrainingGraph, claims: Iterable[Claim]) -> list[str]:
    """Ids of claims whose two rows have, at one seed, the same data order, first networks and noise.

    A seed starts one stream for a run's first networks and then for its noise; the order of images is a function of
    the seed, the batch and how many images there are. So both rows draw the same where their settings differ in rates,
    weights of losses or the like alone; and where one has another network, batch, code or number of updates they share
    no noise, and pairs would mean nothing.

    Args:
        graph: of a scale.
        claims: those about one row alone compare it with itself, and are not looked at.
    """
    ids = []
    for claim in claims:
        runs = rows(graph, claim)
        if runs is None:
            continue
        winner, loser = (settings(graph, run) for run in runs)
        methods = {graph.params.variants[run.variant].method for run in runs}
        differ = [key for key in winner | loser if key not in winner or key not in loser or winner[key] != loser[key]]
        if len(methods) == 1 and all(_same_draws(key) for key in differ):
            ids.append(claim.id)
    return ids


def _same_draws(key: str) -> bool:
    return key.partition(".")[0] in _STEPS or key.endswith(_WEIGHTS)
