"""advcodes: adversarially learned latent codes, five papers rebuilt by one pipeline.

>>> import advcodes
>>> run = advcodes.load("demo/digits/acl_gan/seed0")
>>> run.sample(64).shape
torch.Size([64, 1, 8, 8])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from advcodes.acl import AdversarialCodeLearning
    from advcodes.api import TrainedRun

AFFECTS_RESULTS = False
__version__ = "0.1.0"
__all__ = ["AdversarialCodeLearning", "images", "load"]


def load(run: str, device: Any = "cpu") -> TrainedRun:
    """Load a trained run by id (``demo/digits/gan/seed0``, below data/runs here), by directory, or by `--out`.

    Raises:
        AdvcodesError: nothing is trained there, or several runs are.
    """
    from advcodes.api import load

    return load(run, device)


def images(
    folder: str, size: int, channels: int = 3, fit: str = "crop", levels: tuple[float, float] | None = None
) -> Tensor:
    """The images of a folder or zip, uint8 [N, channels, size, size], as runs take them.

    They become square by ``fit``: ``crop``, ``pad`` or ``squash``; ``levels`` are the values that are black and white
    in images of more than 8 bits a channel.

    Raises:
        AdvcodesError: there are none, or some do not decode.
    """
    from advcodes.api import images

    return images(folder, size, channels, fit, levels)


def __getattr__(name: str) -> Any:
    """``AdversarialCodeLearning`` on first use: it needs torch, and planning does not."""
    if name == "AdversarialCodeLearning":
        from advcodes.acl import AdversarialCodeLearning

        return AdversarialCodeLearning
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
