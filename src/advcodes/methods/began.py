"""BEGAN, and Khan et al.'s additions: a PID controller, a learned similarity metric, a VAE (facts 5.5 to 5.7)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.schema import NonNegative
from advcodes.methods.autoencoder import log_codes
from advcodes.methods.base import Method, MethodConfig, Optimiser, Phase, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import Net

if TYPE_CHECKING:
    from torch import Generator, Tensor


class Controller:
    """The weight k of generated images in the discriminator's loss, kept where two errors are in balance.

    ``k_t = k_{t-1} + l1 e_t + l2 (e_t - e_{t-1}) + l3 (e_t - 2 e_{t-1} + e_{t-2})`` (Khan Eq. 12), in float64 on the
    device. With l2 = l3 = 0 it is BEGAN's, which is integral: k is l1 times the sum of all errors. The other two terms
    telescope to l2 e_t + l3 (e_t - e_{t-1}), as long as k meets no limit: at the paper's gains of 1e-5 next to nothing
    (K-12).

    Args:
        integral: l1.
        proportional: l2.
        derivative: l3.
        limits: k is kept between these (assumed, as in BEGAN); None: it is not.
        device: of k and of the errors.
    """

    def __init__(
        self,
        integral: float,
        proportional: float = 0.0,
        derivative: float = 0.0,
        limits: tuple[float, float] | None = (0.0, 1.0),
        device: Any = "cpu",
    ):
        import torch

        self.gains, self.limits = (integral, proportional, derivative), limits
        self.k = torch.zeros((), dtype=torch.float64, device=device)
        self.errors = torch.zeros(2, dtype=torch.float64, device=device)  #: the last one, and the one before

    def update(self, error: Tensor) -> None:
        """Take in the next error, a scalar: positive where the generated images' is too low."""
        import torch

        error, (last, before) = error.detach().double(), self.errors
        l1, l2, l3 = self.gains
        k = self.k + l1 * error + l2 * (error - last) + l3 * (error - 2 * last + before)
        self.k = k if self.limits is None else k.clamp(*self.limits)
        self.errors = torch.stack([error, last])

    def state(self) -> dict[str, Tensor]:
        """What a resumed run needs."""
        return {"k": self.k, "errors": self.errors}

    def load_state(self, state: Mapping[str, Tensor]) -> None:
        """Restore what :meth:`state` gave."""
        self.k, self.errors = state["k"].to(self.k.device), state["errors"].to(self.k.device)


@register("began")
class BEGAN(Method):
    """Boundary equilibrium GAN (Berthelot et al. 2017; facts 5.5).

    The discriminator is an autoencoder; its error is an energy, low on real images. The generator lowers it on its own
    images, the discriminator raises it there with weight k, which a controller moves until the generated images' error
    is ``diversity`` times that of the real ones.
    """

    class Config(MethodConfig):
        architecture: str = Field("began", description="name under `architectures` that builds the networks")
        prior: Literal["normal", "uniform"] = Field(
            "uniform", description="N(0, I) or uniform on [-1, 1]^d; BEGAN's is uniform, Khan's normal (K-7)"
        )
        diversity: NonNegative = Field(0.5, description="generated images' error over real ones' in balance (K-3)")
        integral_gain: NonNegative = Field(1e-3, description="lambda_1 of Khan Eq. 12: the only one of BEGAN's")
        proportional_gain: NonNegative = Field(0.0, description="lambda_2")
        derivative_gain: NonNegative = Field(0.0, description="lambda_3")
        clip: bool = Field(True, description="keep k in [0, 1], as BEGAN (assumed for Khan)")
        optimiser: Optimiser = Optimiser(lr=8e-5, betas=(0.9, 0.999))

    sampling_roles = ("generator",)

    def __init__(self, config: BEGAN.Config, networks: Mapping[str, Any], spec: Any):
        super().__init__(config, networks, spec)
        limits = (0.0, 1.0) if config.clip else None
        gains = config.integral_gain, config.proportional_gain, config.derivative_gain
        self.controller = Controller(*gains, limits, self.device)

    @classmethod
    def nets(cls, config: Any) -> dict[str, Net]:
        return {"generator": Net("generator"), "discriminator": Net("energy_discriminator")}

    @classmethod
    def phases(cls, config: Any) -> list[Phase]:
        return [Phase("discriminate", ("discriminator",)), Phase("generate", ("generator",))]

    def state(self) -> dict[str, Any]:
        return {"controller": self.controller.state()}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.controller.load_state(state["controller"])

    # -- images -------------------------------------------------------------------------------------------------

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        """What is decoded into samples, [n, d]: noise."""
        return self.noise(n, generator)

    def decode(self, c: Tensor) -> Tensor:
        """Images in the value range, to which what the generator makes is clamped."""
        return self.generator(c).clamp(*self.spec.value_range)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.codes(n, generator))

    def imagined(self, n: int, generator: Generator | None = None) -> Tensor:
        """``n`` images as the discriminator sees them in training, which may leave the value range."""
        return self.generator(self.codes(n, generator))

    @property
    def balance(self) -> float:
        """Energy of generated images over that of real ones where the controller's error is 0."""
        return float(self.config.diversity)

    def generated(self, step: Step) -> Tensor:
        """x_g, the generator's images of this step, the same for all phases."""
        return step.once("generated", ("generator",), lambda: self.generator(self.codes(len(step.images))))

    # -- the game -----------------------------------------------------------------------------------------------

    def judge(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator's codes [N, d] of images [N, C, H, W], and the mean absolute error of what comes of them.

        The error is L_d, L_g or L_v of Khan Eq. 7, where the second is printed with x in place of x_g (K-2).
        """
        codes = self.discriminator.code(images)
        return codes, losses.absolute.error(self.discriminator.decode(codes), images)

    def energy(self, images: Tensor) -> Tensor:
        """The error of :meth:`judge`, a scalar."""
        return self.judge(images)[1]

    def fake_energy(self, step: Step) -> Tensor:
        """What the discriminator raises: L_g."""
        return self.energy(self.generated(step).detach())

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """L_d - k L_g for both halves of the discriminator (Khan Eq. 13); then k is moved (K-1, K-4)."""
        real, fake = self.energy(step.images), self.fake_energy(step)
        k = self.controller.k.to(real.dtype)
        balance = self.config.diversity * real.detach() - fake.detach()
        self.controller.update(balance)
        step.log("k", lambda: self.controller.k)
        step.log("accuracy", lambda: self._accuracy(step))
        step.log("balance", lambda: balance)
        step.log("convergence", lambda: real.detach() + balance.abs())
        return {"real": real, "fake": -k * fake}

    def _accuracy(self, step: Step) -> Tensor:
        """Share of real and generated images on their side of the middle between both kinds' mean energies."""
        import torch

        with torch.no_grad():
            real, fake = (
                (self.discriminator(x) - x).abs().flatten(1).mean(1)
                for x in (step.images, self.generated(step).detach())
            )
            middle = (real.mean() + fake.mean()) / 2
            return losses.gan.accuracy(middle - real, middle - fake)

    def generate(self, step: Step) -> dict[str, Tensor]:
        """The energy of generated images, L_g, for the generator."""
        return {"energy": self.energy(self.generated(step))}


@register("began_lsm")
class BEGANLSM(BEGAN):
    """BEGAN* + LSM: BEGAN with Khan's PID controller, normal noise, and a learned similarity metric (facts 5.6).

    The metric is the distance between real and generated images in the discriminator's codes. Without an encoder no
    generated image belongs to a real one, so they are paired at random, or their means are compared (assumed).
    """

    class Config(BEGAN.Config):
        prior: Literal["normal", "uniform"] = Field("normal", description="N(0, I) (K-7) or uniform on [-1, 1]^d")
        proportional_gain: NonNegative = Field(1e-5, description="lambda_2")
        derivative_gain: NonNegative = Field(1e-5, description="lambda_3")
        similarity_weight: NonNegative = Field(0.1, description="beta: of L_s, the learned similarity metric")
        similarity: Literal["pairs", "means"] = Field(
            "pairs", description="L_s without an encoder: of random pairs, or of the batch's mean codes (assumed)"
        )
        optimiser: Optimiser = Optimiser(lr=5e-5, betas=(0.9, 0.999))

    @classmethod
    def phases(cls, config: Any) -> list[Phase]:
        return [Phase("generate", ("generator",)), Phase("discriminate", ("discriminator",))]

    def real_codes(self, step: Step) -> Tensor:
        """z_d, the discriminator's codes of the images [N, d], which no loss of this step moves."""
        return step.once("real codes", (), lambda: self.discriminator.code(step.images))

    def generate(self, step: Step) -> dict[str, Tensor]:
        """L_g + beta L_s for the generator (Khan Eq. 14 without its VAE; Eq. 9 with pairs drawn at random)."""
        real, (fake, energy) = self.real_codes(step), self.judge(self.generated(step))
        if self.config.similarity == "means":
            real, fake = real.mean(0), fake.mean(0)
        return {"energy": energy, "similarity": self.config.similarity_weight * losses.absolute.error(fake, real)}


@register("vae_began_lsm")
class VAEBEGANLSM(BEGANLSM):
    """VAE + BEGAN* + LSM: the generator is a VAE's decoder, too (Khan Algorithm 1; facts 5.7).

    In order: the encoder is stepped, the decoder, and the discriminator. Each loss moves its own network alone, though
    encoder's and decoder's have terms in common (K-10).
    """

    class Config(BEGANLSM.Config):
        vae_weight: NonNegative = Field(0.3, description="alpha: of L_v, the energy of the VAE's reconstructions")
        reconstruction_weight: NonNegative = Field(0.1, description="gamma: of L_e, the VAE's absolute error")
        kl_weight: NonNegative = Field(1.0, description="of L_n; the paper has none (assumed)")
        kl_over: Literal["pixels", "codes", "one"] = Field(
            "pixels",
            description="what the KL divergence, a sum over d, is divided by: pixels and channels of an image, d, or "
            "nothing, as printed, which swamps all else (K-9, assumed)",
        )

    snapshot_roles = ("encoder",)

    @classmethod
    def nets(cls, config: VAEBEGANLSM.Config) -> dict[str, Net]:
        return {"encoder": Net("encoder", {"outputs": 2}), **super().nets(config)}

    @classmethod
    def phases(cls, config: VAEBEGANLSM.Config) -> list[Phase]:
        return [Phase("infer", ("encoder",)), *super().phases(config)]

    # -- codes --------------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).chunk(2, dim=1)[0]

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def reimagined(self, x: Tensor, generator: Generator | None = None) -> Tensor:
        """Images of codes drawn for images ``x`` [N, C, H, W], as in training; they may leave the value range."""
        import torch

        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        noise = torch.randn(mean.shape, generator=generator, device="cpu" if generator else mean.device).to(mean)
        return self.generator(mean + (log_variance / 2).exp() * noise)

    @property
    def balance(self) -> float:
        """That of :class:`BEGAN` with L_g + alpha L_v in place of L_g, where both energies are alike (Khan Eq. 10)."""
        return float(self.config.diversity / (1 + self.config.vae_weight))

    def posterior(self, step: Step) -> Tensor:
        """Means and logarithms of variances of the images' codes, [N, 2 d]."""
        return step.once("posterior", ("encoder",), lambda: self.encoder(step.images).float())

    def drawn_code(self, step: Step) -> Tensor:
        """z_v = mu + epsilon sigma, [N, d], the same in all phases (Khan Eq. 4; sigma is a standard deviation, K-6)."""
        import torch

        mean, log_variance = self.posterior(step).chunk(2, dim=1)
        noise = step.once("posterior noise", (), lambda: torch.randn_like(mean))
        return mean + (log_variance / 2).exp() * noise

    def reconstructed(self, step: Step) -> Tensor:
        """x_v, the decoder's images of the drawn codes, through which no gradient reaches the encoder."""
        code = self.drawn_code(step).detach()
        return step.once("reconstructed", ("generator",), lambda: self.generator(code))

    # -- the game -----------------------------------------------------------------------------------------------

    def common(self, step: Step, images: Tensor, codes: Tensor) -> dict[str, Tensor]:
        """beta L_s + gamma L_e in encoder's and decoder's losses, of x_v and its codes (Khan Eqs. 9 and 2)."""
        similarity = losses.absolute.error(codes, self.real_codes(step))
        return {
            "similarity": self.config.similarity_weight * similarity,
            "reconstruction": self.config.reconstruction_weight * losses.absolute.error(images, step.images),
        }

    def infer(self, step: Step) -> dict[str, Tensor]:
        """L_n + beta L_s + gamma L_e for the encoder (Khan Eq. 15)."""
        log_codes(step, self.drawn_code(step).detach(), self.codes(len(step.images)))
        mean, log_variance = self.posterior(step).chunk(2, dim=1)
        kl = losses.variational.kl_to_standard_normal(mean, (log_variance / 2).exp())
        over = {"pixels": step.images[0].numel(), "codes": mean.shape[1], "one": 1}[self.config.kl_over]
        images = self.generator(self.drawn_code(step))
        return {"kl": self.config.kl_weight * kl / over} | self.common(step, images, self.discriminator.code(images))

    def fake_energy(self, step: Step) -> Tensor:
        """L_g + alpha L_v (Khan Eqs. 6 and 7)."""
        return super().fake_energy(step) + self.config.vae_weight * self.energy(self.reconstructed(step).detach())

    def generate(self, step: Step) -> dict[str, Tensor]:
        """L_g + alpha L_v + beta L_s + gamma L_e for the decoder (Khan Eq. 14)."""
        images = self.reconstructed(step)
        codes, reconstructed = self.judge(images)
        energy = self.energy(self.generated(step)) + self.config.vae_weight * reconstructed
        return {"energy": energy} | self.common(step, images, codes)
