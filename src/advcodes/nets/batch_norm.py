"""Batch norm of trained networks: whose statistics it has while they are looked at."""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterable, Iterator

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextlib.contextmanager
def normalised(networks: Iterable[nn.Module], mode: str, passes: Callable[[], object]) -> Iterator[None]:
    """Put the batch norm of networks into a mode, and back when done; everything else, dropout too, stays as it is.

    A generator that decodes two kinds of codes (ACL-GAN's: G_z's codes into samples, the encoder's into
    reconstructions) has one set of running statistics for both, or for the one that it was trained on. Re-estimated,
    each kind gets its own: ``passes`` decodes that kind, and so does the body. For reconstructions::

        def passes():
            for x in batches_of_training_images:
                method.reconstruct(x)

        with torch.inference_mode(), normalised([method.generator], "reestimate", passes):
            images = method.reconstruct(held_out)

    Args:
        networks: whose layers it concerns; others keep the statistics of training.
        mode: ``running``: statistics accumulated in training; ``batch``: each batch's own; ``reestimate``: the plain
            mean over the batches of ``passes``.
        passes: forward passes, called once with ``reestimate``, and only if there is batch norm at all.
    """
    layers = [m for net in networks for m in net.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]
    before = [(layer.training, layer.momentum, copy.deepcopy(layer.state_dict())) for layer in layers]
    try:
        for layer in layers:
            layer.train(mode != "running")
        if mode == "reestimate" and layers:
            for layer in layers:
                layer.reset_running_stats()
                layer.momentum = None  # a plain mean over batches
            passes()
            for layer in layers:
                layer.eval()
        yield
    finally:
        for layer, (training, momentum, state) in zip(layers, before, strict=True):
            layer.load_state_dict(state)
            layer.train(training)
            layer.momentum = momentum
