"""What extractors that torch-fidelity has share: where their weights come from, and stored images for its networks."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from advcodes.config.sections import Machine
from advcodes.core.errors import AdvcodesError
from advcodes.data.download import fetch, mismatch
from advcodes.data.mirror import directory as mirror_directory
from advcodes.extractors.features import check_images

WITHOUT = "set metrics.extractor to classifier to do without"


@dataclass(frozen=True)
class Weights:
    """A file of weights that is fetched, or brought by the user.

    Attributes:
        what: it is, in words.
        name: of the file.
        sha256: hex digits that its SHA-256 begins with.
        setting: of ``machine`` that may name its path; in capitals after ``ADVCODES_`` an environment variable, too.
    """

    what: str
    name: str
    sha256: str
    setting: str

    @property
    def variable(self) -> str:
        """The environment variable that may name its path."""
        return f"ADVCODES_{self.setting.upper()}"

    def obtain(self, url: str, path: Path, machine: Machine) -> Path:
        """Bring it to ``path``: from the environment variable or the setting, else from the mirror, else from ``url``.

        Raises:
            AdvcodesError: no such file, a wrong checksum, or no network.
        """
        given = os.environ.get(self.variable) or getattr(machine, self.setting)
        mirror = mirror_directory(machine)
        if given:
            local = Path(given).expanduser()
        elif mirror and (mirror / self.name).is_file():
            local = mirror / self.name
        else:
            try:
                return fetch(url, path, sha256_prefix=self.sha256)
            except AdvcodesError as error:
                raise AdvcodesError(
                    f"{self.what}: {error}; or bring {self.name} here yourself and set machine.{self.setting} to its "
                    f"path, or {WITHOUT}"
                ) from None
        self.verify(local)
        copy = path.with_name(path.name + ".part")
        shutil.copyfile(local, copy)
        os.replace(copy, path)
        return path

    def verify(self, path: Path) -> None:
        """Check that a file is this one.

        Raises:
            AdvcodesError: there is no such file, or it is another one.
        """
        if not path.is_file():
            raise AdvcodesError(
                f"{path}: no such file; expected {self.what} ({self.name}): correct machine.{self.setting}, leave it "
                f"empty to download them, or {WITHOUT}"
            )
        if problem := mismatch(path, sha256_prefix=self.sha256):
            raise AdvcodesError(f"{path}: not {self.what} ({problem}); replace it by {self.name}, or {WITHOUT}")


class Stored(nn.Module):
    """A network of torch-fidelity as extractors are: features of stored images, and no logits.

    Args:
        network: maps uint8 images [N, 3, H, W] of any size to a tuple of features [N, F].
        what: it is, for errors.
    """

    def __init__(self, network: nn.Module, what: str):
        super().__init__()
        self.network = network
        self.what = what
        # Frozen networks have buffers alone where their makers say so; an extractor's device is a parameter's.
        self.here = nn.Parameter(torch.zeros(0), requires_grad=False)

    def forward(self, stored: Tensor) -> tuple[Tensor, Tensor]:
        """Features [N, F] and logits [N, 0]; grey images get three equal channels.

        Raises:
            AdvcodesError: images are neither grey nor in colour.
        """
        check_images(stored, self.what, WITHOUT)
        (features,) = self.network(stored.expand(-1, 3, -1, -1))
        return features, features.new_zeros(len(features), 0)
