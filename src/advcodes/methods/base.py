"""What a method is: networks by role, phases in update order, one loss function a phase.

The training loop alone zeroes gradients, freezes networks, runs backward passes and optimisers; see
:mod:`advcodes.training.loop`. A method never names a dataset, a file or a device.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Protocol

from pydantic import Field, model_validator

from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Count, Fraction, Model, NonNegative, Positive, Real, Snapshots
from advcodes.nets.spec import DatasetSpec, Net

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor, nn


#: What a method may be able to do, as functions of :class:`Method`.
ABILITIES = ("sample", "encode", "decode", "reconstruct", "inpaint", "represent")
Pretrained = Literal["features", "extractor"]  #: that of the feature-MSE, or the one that the FID is computed on
Prior = Literal["normal", "uniform", "four_modes"]
MODES = ((2.0, 2.0), (-2.0, 2.0), (-2.0, -2.0), (2.0, -2.0))  #: of the prior `four_modes`: those of `gaussians`
MODE_SD = 0.3
PRIORS = "N(0, I); uniform on [-1, 1]^d; or four Gaussians around (±2, ±2) with sd 0.3 (d = 2)"


class Optimiser(Model):
    """Adam's settings for every network of a method; ``learning_rates`` of the variant override ``lr`` by role."""

    lr: Positive = Field(2e-4, description="learning rate")
    betas: tuple[Fraction, Fraction] = Field((0.5, 0.999), description="Adam's beta1 and beta2")
    eps: Positive = Field(1e-8, description="Adam's epsilon")
    weight_decay: NonNegative = Field(0.0, description="L2 penalty added to the gradient")
    decay: Literal["none", "linear", "exponential"] = Field(
        "none", description="learning rates over the run: kept, lowered to 0 in a line, or to a hundredth by a factor"
    )


class EarlyStoppingConfig(Model):
    """Keep the networks that reconstruct held-out images best, and stop when none that are better have come for long.

    AAAE section IV: "early stopping based on the average data reconstruction loss of x on the validation sets"; the
    paper says no more, and all numbers here are assumed. The images are those of the dataset's split `validation`
    (or `val`, CelebA's); where there is none that is not trained on, a share of the training split is set aside.
    """

    checks: Count = Field(20, description="how often in a whole run the held-out images are reconstructed")
    patience: Count = Field(5, description="checks in a row without a better one after which training stops")
    held_out: Annotated[Fraction, Field(gt=0)] = Field(
        0.05, description="share of the training split set aside where there is no split `validation` or `val`"
    )


class VariantTraining(Model):
    """What a variant may set otherwise than `training` does for all; null leaves it."""

    batch_size: Count | None = Field(None, description="images a step")
    snapshots: Snapshots | None = Field(None, description="generators kept: how many, or images seen at each")
    early_stopping: EarlyStoppingConfig | None = Field(None, description="stop on held-out reconstructions")
    diverged: Literal["stop", "keep"] | None = Field(None, description="what becomes of a run that diverges")


class MethodConfig(Model):
    """Keys that every variant in params.yaml has; a method's own ``Config`` adds its hyperparameters."""

    like: str | None = Field(
        None, description="variant whose keys this one takes, at every scale, but for `items`; what it says itself wins"
    )
    architecture: str = Field("infogan", description="name under `architectures` that builds the networks")
    items: list[str] = Field([], description="items (`acl/table1`) in which this variant is an extra row")
    training: VariantTraining = Field(VariantTraining(), description="where this variant differs from `training`")
    value_range: tuple[Real, Real] | None = Field(
        None,
        description="range of images that networks see: [0, 1] or [-1, 1]; null: that of the architecture's "
        "family, else the dataset's",
    )
    latent_dim: Count = Field(64, description="d: size of the generator's input, and of codes")
    prior: Prior = Field("normal", description=PRIORS)
    optimiser: Optimiser = Optimiser()
    learning_rates: dict[str, Positive] = Field({}, description="learning rate by role, over `optimiser.lr`")
    betas: dict[str, tuple[Fraction, Fraction]] = Field({}, description="Adam's by role, over `optimiser.betas`")

    @model_validator(mode="after")
    def _modes_are_in_the_plane(self) -> MethodConfig:
        if self.prior == "four_modes" and self.latent_dim != len(MODES[0]):
            raise ValueError(f"prior: four_modes lies in the plane: set `latent_dim: 2`, not {self.latent_dim}")
        return self


@dataclass(frozen=True)
class Phase:
    """One update: ``Method.<name>(step)`` gives named losses, whose sum updates the networks of these roles.

    Attributes:
        name: the method's function, and the prefix of its losses in the log.
        updates: roles whose parameters this phase's own Adam steps; every other network is frozen meanwhile.
        every: run in each ``every``-th step only (n_critic).
        times: updates in a row on the same batch; what the phase draws or computes itself is new each time.
        joint: its networks are stepped together with the next phase's, whose gradients are then taken at the same
            parameters: a simultaneous update (ALI, GALI). A phase may also stand in the list several times.
        after: steps of the run before this phase begins.
        until: steps of the run after which it is over; None: never (with ``after``, a pretraining).
        rates: factor on a role's learning rate in this phase: what a loss's weight is to plain gradient descent, since
            Adam does not see the scale of a loss.
    """

    name: str
    updates: tuple[str, ...]
    every: int = 1
    times: int = 1
    joint: bool = False
    after: int = 0
    until: int | None = None
    rates: Mapping[str, float] = field(default_factory=dict)

    def due(self, step: int) -> bool:
        """Whether it runs in this step, counted from 1."""
        begun, over = step > self.after, self.until is not None and step > self.until
        return begun and not over and (step - self.after) % self.every == 0


class Step(Protocol):
    """What the loop hands to a phase."""

    images: Tensor  #: real images [N, C, H, W] (or points [N, D]) in the dataset's value range
    labels: Tensor  #: class of each image, int64 [N]; -1 where the dataset has none
    attributes: Tensor | None  #: binary attributes, float [N, A], where the dataset has them
    text: Tensor | None  #: embedding of one caption of each image, float [N, E], where the method asks for text
    progress: float  #: share of the run's budget that lies behind, from 0 to just below 1

    def once(self, key: str, roles: tuple[str, ...], make: Callable[[], Tensor]) -> Tensor:
        """Compute ``make()`` once a step and share it between phases (the same forward pass, as the papers say).

        Gradients are recorded into those networks of ``roles`` that this or a later phase of the step updates, and
        into no others. Take the gradient in one phase only: its backward pass frees what was recorded.
        """

    def log(self, name: str, value: Callable[[], Tensor]) -> None:
        """Record a diagnostic scalar (an accuracy, a rank) beside the losses; evaluated on logged steps only."""


class Method:
    """Base class of all methods.

    Args:
        config: the variant's validated hyperparameters.
        networks: one network for each of :meth:`nets`, on one device.
        spec: what the data look like.
    """

    name: ClassVar[str] = ""
    Config: ClassVar[type[MethodConfig]] = MethodConfig
    sampling_roles: tuple[str, ...] = ()  #: networks that :meth:`sample` needs
    snapshot_roles: tuple[str, ...] = ()  #: others that snapshots keep beside them
    conditioned_on: ClassVar[Literal["labels", "clusters", "text"] | None] = None  #: kind of the samples' condition
    #: Features [N, F] of images [N, C, H, W] in the value range by a pretrained network, differentiable: training sets
    #: it where :meth:`pretrained` asks for one.
    known_features: Callable[[Tensor], Tensor]

    def __init__(self, config: MethodConfig, networks: Mapping[str, nn.Module], spec: DatasetSpec):
        self.config: Any = config  # of the class's own Config
        self.spec = spec
        self.networks = dict(networks)
        vars(self).update(self.networks)

    if TYPE_CHECKING:

        def __getattr__(self, role: str) -> Any:
            """Networks are attributes by role."""

    # Below, `config` is of the class's own Config: a class without subclasses may name it.

    @classmethod
    def nets(cls, config: Any) -> dict[str, Net]:
        """The networks by role."""
        raise AdvcodesError(f"method {cls.__name__} declares no networks: define nets(config)")

    @classmethod
    def phases(cls, config: Any) -> list[Phase]:
        """The phases in update order."""
        raise AdvcodesError(f"method {cls.__name__} declares no phases: define phases(config)")

    @classmethod
    def pretrained(cls, config: Any) -> Pretrained | None:
        """The network trained beforehand whose features of images this method learns from; None: it needs none."""
        return None

    def initialise(self, images: Tensor) -> None:
        """Set initial weights that depend on the data: called once, before the first step, with its images."""

    def validation_error(self, images: Tensor) -> Tensor:
        """What early stopping watches, a scalar: the squared error of reconstructions [N, C, H, W] per pixel."""
        return (self.reconstruct(images).float() - images.float()).square().mean()

    @property
    def noise_size(self) -> int:
        """Numbers in a draw of noise: the generator's input is as large as a code, unless a method says otherwise."""
        return self.config.latent_dim

    @property
    def device(self) -> torch.device:
        """Where the networks are."""
        return next(next(iter(self.networks.values())).parameters()).device

    def noise(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw ``n`` times from the prior: float32 [n, noise_size] on the networks' device.

        ``generator`` is a CPU generator (draws are then the same on every device); without one the device's global
        stream is used, which training does.
        """
        import torch

        device = self.device
        where = device if generator is None else "cpu"
        shape = (n, self.noise_size)
        if self.config.prior == "uniform":
            return 2 * torch.rand(shape, generator=generator, device=where).to(device) - 1
        z = torch.randn(shape, generator=generator, device=where)
        if self.config.prior == "four_modes":
            mode = torch.randint(len(MODES), (n,), generator=generator, device=where)
            z = torch.tensor(MODES, device=z.device)[mode] + MODE_SD * z
        return z.to(device)

    def state(self) -> dict[str, Any]:
        """State beyond networks and optimisers (a controller's, say): tensors and plain numbers."""
        return {}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Restore what :meth:`state` gave."""

    def _cannot(self, what: str) -> AdvcodesError:
        able = [a for a in ABILITIES if self.can(a, self.config)]
        return AdvcodesError(f"{self.name} cannot {what}: it has no network for that (it can: {', '.join(able)})")

    @classmethod
    def can(cls, ability: str, config: Any = None) -> bool:
        """Whether the method implements one of :data:`ABILITIES`, with these hyperparameters where they are given."""
        return getattr(cls, ability) is not getattr(Method, ability)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """Generate ``n`` images [n, C, H, W] in the dataset's value range."""
        raise self._cannot("sample")

    def encode(self, x: Tensor) -> Tensor:
        """Codes [N, latent_dim] of images [N, C, H, W]."""
        raise self._cannot("encode")

    def decode(self, c: Tensor) -> Tensor:
        """Images [N, C, H, W] of codes [N, latent_dim]."""
        raise self._cannot("decode")

    def reconstruct(self, x: Tensor) -> Tensor:
        """Images of the codes of ``x``: [N, C, H, W] in the dataset's value range."""
        raise self._cannot("reconstruct")

    def inpaint(self, x: Tensor, mask: Tensor) -> Tensor:
        """Fill ``x`` [N, C, H, W] where ``mask`` [N, 1, H, W] is 1; the rest of ``x`` stays as it is."""
        raise self._cannot("inpaint")

    def represent(self, x: Tensor) -> Tensor:
        """What a classifier could learn from, [N, F], of images [N, C, H, W]: hidden layers of an encoder."""
        raise self._cannot("represent")


class Conditional(Method):
    """A method whose samples have a condition; ``conditioned_on`` says of which kind (mix it in before the method).

    A condition is a class or a cluster, int64, or the embedding of a sentence.
    """

    def conditions(self, n: int, generator: Generator | None = None) -> Tensor:
        """Draw what ``n`` samples shall show: int64 [n], or float32 [n, E] for sentences."""
        raise self._cannot("draw conditions")

    def codes_given(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """What is decoded into samples, [n, d], of conditions and noise [n, noise_size]."""
        raise self._cannot("make codes of conditions")

    def sample_given(self, conditions: Tensor, noise: Tensor) -> Tensor:
        """Images [n, C, H, W] that show ``conditions``; the noise [n, noise_size] settles all else."""
        return self.decode(self.codes_given(conditions, noise))

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        """What is decoded into samples, [n, d], of conditions that are drawn."""
        return self.codes_given(self.conditions(n, generator), self.noise(n, generator))

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.codes(n, generator))
