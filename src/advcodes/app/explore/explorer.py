"""What can be done with a trained run, each as a function from numbers and pictures to images; the page calls them."""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from advcodes.api import load
from advcodes.app.explore.directions import Principal, attribute_vectors, principal
from advcodes.app.pictures import fitted, how_seen, to_side
from advcodes.config.sections import Sampling
from advcodes.core.errors import AdvcodesError, unknown
from advcodes.core.values import to_float, to_stored
from advcodes.data.prepared import Prepared
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation.sample import generate, normalised_for_samples, shown
from advcodes.nets.batch_norm import normalised
from advcodes.training.restore import SENTENCES, restore

AFFECTS_RESULTS = False
DIRECTIONS = 6  #: sliders
REACH = 3.0  #: standard deviations to each side
ENCODED = 2000  #: images whose codes tell the directions, at most
BATCH = 250
PAINTED = 63  #: of 255: a pixel of which a quarter is painted is missing
STEPS = 7  #: images in a row
MOST = 256  #: samples at once
_Does = TypeVar("_Does", bound=Callable[..., Any])


def _alone(function: _Does) -> _Does:
    """One call at a time: batch norm is put into another mode meanwhile, and calls come from several threads."""

    @functools.wraps(function)
    def locked(self: Explorer, *args: Any, **kwargs: Any) -> Any:
        with self._lock, torch.random.fork_rng(devices=[]):
            return function(self, *args, **kwargs)

    return locked  # type: ignore[return-value]


class Explorer:
    """A trained run and what it can do. All images that it gives are uint8 [N, C, H, W].

    Codes of a run that encodes are decoded with batch norm re-estimated on reconstructions, as its figures are made;
    those of another with that of samples. Where neither can be had it is that of training.

    Args:
        run: its id, its directory, or ``--out`` of a training on own images.

    Raises:
        AdvcodesError: nothing is trained there, it gives points, or nothing of it can be shown.
    """

    def __init__(self, run: str | Path):
        self.run = load(run)
        if len(self.run.shape) == 1:
            raise AdvcodesError(f"{run}: gives points, no images; there is nothing to look at")
        self._lock = threading.RLock()
        self._restored = restore(self.run.directory)
        self._sampling = Sampling().model_dump()
        self.data = self._dataset()
        self._normalise()
        if not self.can:
            raise AdvcodesError(f"{run}: {self.run.method.name} has nothing that can be shown without its dataset")

    def _dataset(self) -> Prepared | None:
        """The run's dataset, where it lies beside the runs: <data>/runs/<scale>/<dataset>/<variant>/seed<k>."""
        above = self.run.directory.resolve().parents
        if len(above) < 5:
            return None
        try:
            data = load_prepared(above[4] / "prepared" / above[1].name)
        except AdvcodesError:
            return None
        return data if data.shape == tuple(self.run.shape) else None

    def _normalise(self) -> None:
        """Fix the batch norm with which codes are decoded, for as long as the explorer is there."""
        method, sampling = self.run.method, self._sampling
        random = torch.Generator().manual_seed(0)
        if self.data is not None and self.able("reconstruct"):
            chosen = self._training(sampling["reestimate_batches"] * sampling["batch_size"])[0]

            def passes() -> None:
                for part in chosen.split(sampling["batch_size"]):
                    if len(part) > 1:
                        method.reconstruct(to_float(part, self.run.value_range))

            how: contextlib.AbstractContextManager[None] = normalised(
                method.networks.values(), sampling["batch_norm"], passes
            )
        elif self.able("sample"):
            how = normalised_for_samples(method, sampling, random)
        else:  # there is nothing to estimate others from
            return
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            contextlib.ExitStack().enter_context(how)

    def _training(self, count: int) -> tuple[Tensor, np.ndarray]:
        """Training images, uint8 [n, C, H, W], and their rows in the split; the same ones at each call."""
        assert self.data is not None
        split = self.data.split(self.run.config["view"]["train_split"])
        rows = np.sort(np.random.default_rng(0).permutation(len(split))[:count])
        return torch.from_numpy(np.array(split.images[rows])), rows

    def able(self, ability: str) -> bool:
        """Whether the run's method has this ability, as it was trained."""
        return self.run.method.can(ability, self.run.method.config)

    @property
    def condition(self) -> str | None:
        """What the samples are asked for: labels, clusters or text; None where nothing, or sentences are not read."""
        condition = self.run.method.conditioned_on
        return None if condition == "text" and not (self.run.directory / SENTENCES).exists() else condition

    @functools.cached_property
    def can(self) -> tuple[str, ...]:
        """Parts of the page that there are, in order: samples, ask, walk, between, attributes, fill."""
        coded = self.able("encode") and self.able("decode")
        drawn = self.able("sample") and self.able("decode") and hasattr(self.run.method, "codes")
        parts = {
            "samples": self.able("sample"),
            "ask": self.condition is not None,
            "walk": (coded and self.data is not None) or drawn,
            "between": coded,
            "attributes": coded and bool(self._named()[1] and self.attributes),
            "fill": self.able("inpaint"),
        }
        return tuple(part for part, there in parts.items() if there)

    # -- samples --------------------------------------------------------------------------------------------------

    @_alone
    def samples(self, n: int, seed: int) -> np.ndarray:
        """``n`` samples; the same for the same seed."""
        return generate(self._restored, _count(n), self._sampling, _seed(seed))

    @property
    def choices(self) -> list[str]:
        """What samples may be conditioned on, of a run with labels or clusters."""
        if self.condition == "labels" and self.data is not None and self.data.classes:
            return list(self.data.classes)
        return [str(k) for k in range(self.run.method.choices)]

    @_alone
    def conditional(self, what: str, n: int, seed: int) -> np.ndarray:
        """``n`` samples of a label, a cluster or a sentence.

        Raises:
            AdvcodesError: there is no such label, or no word of the sentence is known.
        """
        if self.condition == "text":
            return to_stored(self.run.say([what], _count(n), _seed(seed))[0], self.run.value_range).numpy()
        if what not in self.choices:
            raise unknown("label", what, self.choices)
        condition = torch.tensor([self.choices.index(what)])
        return shown(self._restored, condition, _count(n), self._sampling, _seed(seed))[:, 0]

    # -- codes ----------------------------------------------------------------------------------------------------

    @functools.cached_property
    def codes(self) -> Tensor:
        """Codes of training images, or of samples where the run does not encode, float32 [N, d]."""
        if self.data is None or not self.able("encode"):
            with torch.no_grad():
                return self.run.method.codes(ENCODED, torch.Generator().manual_seed(0)).float().cpu()
        images, _ = self._training(ENCODED)
        return torch.cat([self.run.encode(part).float() for part in images.split(BATCH)])

    @functools.cached_property
    def directions(self) -> Principal:
        """Principal directions of :attr:`codes`."""
        return principal(self.codes, DIRECTIONS)

    @_alone
    def walk(self, amounts: Sequence[float], start: int = 0) -> np.ndarray:
        """The image of a code that lies some standard deviations along each principal direction, [1, C, H, W].

        Args:
            amounts: of each direction.
            start: from where: 0 is the mean of all codes, k > 0 the k-th of :attr:`codes`.
        """
        begin = self.codes[(start - 1) % len(self.codes)] if start else None
        return self._decoded(self.directions.at(amounts, begin)[None])

    @_alone
    def overview(self) -> np.ndarray:
        """A row for each principal direction, from one end to the other through the mean, [K * STEPS, C, H, W]."""
        places = torch.linspace(-REACH, REACH, STEPS)
        rows = [self.directions.at([*[0.0] * k, float(at)]) for k in range(len(self.directions.sd)) for at in places]
        return self._decoded(torch.stack(rows))

    # -- pictures -------------------------------------------------------------------------------------------------

    def examples(self, n: int) -> list[Image.Image]:
        """Held-out images to begin with, ``n`` at most; none where the dataset is not there."""
        if self.data is None:
            return []
        name = next((name for name in ("test", "val") if name in self.data.splits), None)
        held = self.data.split(name or self.run.config["view"]["train_split"])
        return [_image(np.array(image)) for image in held.images[:n]]

    def _fitted(self, picture: Image.Image | None, what: str) -> Tensor:
        """A picture as the run's images are, uint8 [1, C, H, W]."""
        if picture is None:
            raise AdvcodesError(f"{what} is missing: drop a picture there, or choose a file")
        return torch.from_numpy(fitted(_plain(picture, self.run.shape), what, self.run)[0].copy())[None]

    @_alone
    def between(self, first: Image.Image | None, last: Image.Image | None, steps: int = STEPS) -> np.ndarray:
        """Two pictures, and between them the images of codes on the line between theirs, [steps + 2, C, H, W]."""
        a, b = self._fitted(first, "the first picture"), self._fitted(last, "the last picture")
        return np.concatenate([a.numpy(), self._stored(self.run.interpolate(a, b, steps)[0]), b.numpy()])

    def _named(self) -> tuple[np.ndarray | None, tuple[str, ...]]:
        """Attributes of all images, 0 or 1 [N, A], and their names; classes serve where there are no attributes."""
        if self.data is None:
            return None, ()
        if self.data.attributes is not None:
            return self.data.attributes, self.data.attribute_names
        classes = self.data.classes
        return self.data.labels[:, None] == np.arange(len(classes)), classes if len(classes) > 1 else ()

    @functools.cached_property
    def attributes(self) -> dict[str, Tensor]:
        """Vectors of attributes, [d] each, by name."""
        assert self.data is not None
        holds, names = self._named()
        assert holds is not None
        rows = self.data.rows(self.run.config["view"]["train_split"])
        return attribute_vectors(self.codes, holds[rows][self._training(ENCODED)[1]], names)

    @_alone
    def edited(self, picture: Image.Image | None, name: str, strength: float) -> np.ndarray:
        """A picture, the image of its code, and that of its code with an attribute added, [3, C, H, W].

        Raises:
            AdvcodesError: no picture, or no such attribute.
        """
        if name not in self.attributes:
            raise unknown("attribute", name, self.attributes)
        x = self._fitted(picture, "the picture")
        code = self.run.encode(x)
        return np.concatenate([x.numpy(), self._decoded(torch.cat([code, code + strength * self.attributes[name]]))])

    @_alone
    def filled(self, picture: Image.Image | None, layers: Sequence[Image.Image | None] | None) -> np.ndarray:
        """A picture with its painted parts grey, and with them filled in, [2, C, H, W].

        Args:
            picture: without paint.
            layers: of paint, RGBA of the picture's size; what is not transparent is missing.

        Raises:
            AdvcodesError: no picture, or nothing is painted.
        """
        x = self._fitted(picture, "the picture")
        assert picture is not None  # as it was fitted
        paint = np.zeros((picture.height, picture.width), np.uint8)
        for layer in layers or ():
            if layer is not None:
                alpha = layer.convert("RGBA").getchannel("A").resize(picture.size, Image.Resampling.NEAREST)
                paint[np.asarray(alpha) > 0] = 255
        how = {**how_seen(self.run), "resample": "bilinear"}
        gap = to_side(Image.fromarray(paint), self.run.shape, how, 1)[0] > PAINTED
        if not gap.any():
            raise AdvcodesError("nothing is painted yet: paint over what shall be filled in")
        holes = torch.from_numpy(gap)[None, None]
        made = self._stored(self.run.inpaint(to_float(x, self.run.value_range), holes))
        return np.concatenate([torch.where(holes, torch.tensor(127, dtype=torch.uint8), x).numpy(), made])

    def _decoded(self, codes: Tensor) -> np.ndarray:
        return self._stored(self.run.decode(codes))

    def _stored(self, images: Tensor) -> np.ndarray:
        if not torch.isfinite(images).all():
            raise AdvcodesError("what the run makes of this is not finite (NaN or infinite); it has diverged")
        return to_stored(images, self.run.value_range).numpy()


def _plain(picture: Image.Image, shape: Sequence[int]) -> Image.Image:
    """A picture, or that of the run's size of which it is an enlargement by a whole factor, as the page shows them."""
    factor = max(1, picture.height // shape[1])
    small = picture.resize((picture.width // factor or 1, picture.height // factor or 1), Image.Resampling.NEAREST)
    if (small.height, small.width) != tuple(shape[1:]):
        return picture
    whole = np.asarray(small).repeat(factor, 0).repeat(factor, 1)
    return small if np.array_equal(whole, np.asarray(picture)) else picture


def _image(pixels: np.ndarray) -> Image.Image:
    return Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))


def _count(n: Any) -> int:
    if n is None or not 1 <= n <= MOST:
        raise AdvcodesError(f"number of images: expected 1 to {MOST}, got {n}")
    return int(n)


def _seed(seed: Any) -> int:
    if seed is None or not 0 <= seed < 2**32:
        raise AdvcodesError(f"seed: expected 0 to {2**32 - 1}, got {seed}")
    return int(seed)
