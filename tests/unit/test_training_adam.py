"""Our Adam is torch's fused one, bit for bit, in what it does and in what it saves."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import torch
from torch import Tensor

from advcodes.training.adam import Adam

STEPS = 5


def groups(start: Tensor) -> list[dict[str, Any]]:
    """Two groups of other rates: a matrix and a bias; a filter in channels_last, and one that gets no gradient."""
    first = [torch.nn.Parameter(start[:12].clone().view(3, 4)), torch.nn.Parameter(start[12:15].clone())]
    filters = start[15:39].clone().view(2, 3, 2, 2).to(memory_format=torch.channels_last)
    second = [torch.nn.Parameter(filters), torch.nn.Parameter(start[39:].clone())]
    return [{"params": first, "lr": 1e-2, "betas": (0.5, 0.999)}, {"params": second, "lr": 3e-3, "betas": (0.0, 0.9)}]


def steps(optimiser: Any, first: int = 0) -> None:
    """Steps ``first`` to :data:`STEPS` of a loss that all but the last parameter enter."""
    every = [p for group in optimiser.param_groups for p in group["params"]]
    for step in range(first, STEPS):
        optimiser.zero_grad()
        torch.stack([((p - step) ** 3).sum() for p in every[:-1]]).sum().backward()
        optimiser.step()


def flat(value: Any) -> list[Any]:
    """Everything in a state, tensors as lists."""
    if isinstance(value, dict):
        return [[k, flat(v)] for k, v in value.items()]
    if isinstance(value, list | tuple):
        return [flat(v) for v in value]
    return value.tolist() if isinstance(value, Tensor) else value


def test_steps_and_what_is_saved_are_those_of_torch():
    start = torch.randn(44, generator=torch.Generator().manual_seed(0))
    ours = Adam(groups(start), 1e-8, 1e-2)
    theirs = torch.optim.Adam(groups(start), eps=1e-8, weight_decay=1e-2, fused=True)
    steps(ours)
    steps(theirs)
    for a, b in zip(ours.param_groups, theirs.param_groups, strict=True):
        assert flat(a["params"]) == flat(b["params"])
    saved, expected = ours.state_dict(), theirs.state_dict()
    assert flat(saved["state"]) == flat(expected["state"])
    assert all(expected["param_groups"][i][k] == v for i, g in enumerate(saved["param_groups"]) for k, v in g.items())


def test_it_goes_on_from_what_either_saved():
    start = torch.randn(44, generator=torch.Generator().manual_seed(1))
    whole = Adam(groups(start), 1e-8, 0.0)
    steps(whole)
    for kind in (Adam, torch.optim.Adam):
        before = kind(groups(start), eps=1e-8, weight_decay=0.0, **({} if kind is Adam else {"fused": True}))
        every = [p for group in before.param_groups for p in group["params"]]
        for step in range(2):
            before.zero_grad()
            torch.stack([((p - step) ** 3).sum() for p in every[:-1]]).sum().backward()
            before.step()
        copies = [p.detach().clone() for p in every]
        after = Adam(groups(start), 1e-8, 0.0)
        for p, copy in zip((p for g in after.param_groups for p in g["params"]), copies, strict=True):
            p.data.copy_(copy)
        after.load_state_dict(before.state_dict())
        steps(after, 2)
        assert flat(after.state_dict()) == flat(whole.state_dict())
        assert flat(after.param_groups) == flat(whole.param_groups)


def test_training_does_not_import_the_compiler():
    code = (
        "import sys, torch; from advcodes.training.train import Loop; from advcodes.training.adam import Adam; "
        "Adam([{'params': [torch.nn.Parameter(torch.ones(1))], 'lr': 1, 'betas': (0, 0)}], 0, 0).step(); "
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
