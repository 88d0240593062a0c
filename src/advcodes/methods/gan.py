"""GAN, LSGAN and WGAN-GP: the baselines of image generation; adversarial code learning attaches to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.schema import Count, NonNegative
from advcodes.methods.base import Method, MethodConfig, Optimiser, Phase, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import Net

if TYPE_CHECKING:
    from torch import Generator, Tensor


@register("gan")
class GAN(Method):
    """Generative adversarial network, non-saturating (facts 5.1).

    One discriminator step, then one generator step on the same fakes. With an architecture of family `dcgan` this is
    DCGAN (facts 5.3); the published script halves the discriminator's loss, but Adam ignores a loss's scale.
    """

    class Config(MethodConfig):
        prior: Literal["normal", "uniform"] = Field(
            "uniform", description="N(0, I) or uniform on [-1, 1]^d; compare_gan's GAN is uniform"
        )

    sampling_roles: tuple[str, ...] = ("generator",)

    @classmethod
    def nets(cls, config: Any) -> dict[str, Net]:
        return {"generator": Net("generator"), "discriminator": Net("discriminator")}

    @classmethod
    def generated_by(cls, config: Any) -> tuple[str, ...]:
        """Roles that the adversarial loss on generated images updates."""
        return ("generator",)

    @classmethod
    def phases(cls, config: Any) -> list[Phase]:
        return [
            Phase("discriminate", updates=("discriminator",)),
            Phase("generate", updates=cls.generated_by(config)),
        ]

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        """What the generator decodes into samples, [n, d]: here noise."""
        return self.noise(n, generator)

    def fake_codes(self, step: Step) -> Tensor:
        """What the discriminator's fakes are decoded from in training, [n, d]."""
        return self.codes(len(step.images))

    def fakes(self, step: Step) -> Tensor:
        """Generated images of this step; both phases use the same ones, so they are computed once."""
        roles = self.generated_by(self.config)
        return step.once("fakes", roles, lambda: self.generator(self.fake_codes(step)))

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """L_D for D: binary cross entropy, real images 1, generated ones 0 (ACL Eq. 5)."""
        # Real and fake batches pass separately: each has its own batch-norm statistics (facts 5.1).
        real, fake = self.discriminator(step.images), self.discriminator(self.fakes(step).detach())
        step.log("accuracy", lambda: losses.gan.accuracy(real, fake))
        return {"real": losses.gan.discriminator_real(real), "fake": losses.gan.discriminator_fake(fake)}

    def generate(self, step: Step) -> dict[str, Tensor]:
        """L_D for G: generated images shall pass for real, non-saturating (ACL Eq. 5)."""
        return {"adversarial": losses.gan.generator(self.discriminator(self.fakes(step)))}

    def decode(self, c: Tensor) -> Tensor:
        return self.generator(c)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.generator(self.codes(n, generator))


@register("lsgan")
class LSGAN(GAN):
    """GAN with least squares on the discriminator's raw output (Mao et al. 2017, Eq. 9; facts 5.4)."""

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """D(x) towards 1, D(G(z)) towards 0 (Mao et al. 2017, Eq. 9)."""
        real, fake = self.discriminator(step.images), self.discriminator(self.fakes(step).detach())
        step.log("accuracy", lambda: losses.least_squares.accuracy(real, fake))
        return {
            "real": losses.least_squares.discriminator_real(real),
            "fake": losses.least_squares.discriminator_fake(fake),
        }

    def generate(self, step: Step) -> dict[str, Tensor]:
        """D(G(z)) towards 1 (Mao et al. 2017, Eq. 9)."""
        return {"adversarial": losses.least_squares.generator(self.discriminator(self.fakes(step)))}


@register("wgan_gp")
class WGANGP(GAN):
    """Wasserstein GAN with gradient penalty (facts 5.2): no batch norm in the critic, fresh noise for the generator.

    The critic is stepped on every batch, the generator on every ``n_critic``-th.
    """

    class Config(GAN.Config):
        prior: Literal["normal", "uniform"] = Field("normal", description="N(0, I) or uniform on [-1, 1]^d")
        n_critic: Count = Field(5, description="critic steps for one generator step")
        penalty: NonNegative = Field(10.0, description="weight of the gradient penalty")
        generator_batch: Count = Field(
            1,
            description="generated images for each real one in the generator's step (facts 5.2: 2 in the ResNet)",
        )
        dequantise: bool = Field(
            False,
            description="noise of one 8-bit step on the critic's real images (facts 5.2: in the ResNet)",
        )
        optimiser: Optimiser = Optimiser(lr=1e-4)

    @classmethod
    def nets(cls, config: MethodConfig) -> dict[str, Net]:
        return {"generator": Net("generator"), "discriminator": Net("discriminator", {"batch_norm": False})}

    @classmethod
    def phases(cls, config: WGANGP.Config) -> list[Phase]:
        return [
            Phase("discriminate", updates=("discriminator",)),
            Phase("generate", updates=cls.generated_by(config), every=config.n_critic),
        ]

    def real_images(self, step: Step) -> Tensor:
        """Real images for the critic: as they are, or with noise U(0, s) that hides their 8-bit steps.

        s is 1/256 of the value range: 1/128 on [-1, 1] (facts 5.2).
        """
        if not self.config.dequantise:
            return step.images
        import torch

        low, high = self.spec.value_range
        return step.images + torch.rand_like(step.images) * ((high - low) / 256)

    def fakes(self, step: Step) -> Tensor:
        """Generated images for the generator's step, ``generator_batch`` for each real one; the critic has others."""
        import torch

        def make() -> Tensor:
            codes = [self.fake_codes(step) for _ in range(self.config.generator_batch)]
            return self.generator(torch.cat(codes) if len(codes) > 1 else codes[0])

        return step.once("fakes", self.generated_by(self.config), make)

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """The critic: mean score of fakes minus that of real images, with the gradient penalty (facts 5.2)."""
        fake = step.once("critic fakes", (), lambda: self.generator(self.fake_codes(step)))
        real = self.real_images(step)
        # `forward`, not the module itself: torch.compile cannot differentiate twice.
        penalty = losses.wasserstein.gradient_penalty(self.discriminator.forward, real, fake)
        real_scores, fake_scores = self.discriminator(real), self.discriminator(fake)
        step.log("accuracy", lambda: losses.wasserstein.accuracy(real_scores, fake_scores))
        return {
            "real": losses.wasserstein.discriminator_real(real_scores),
            "fake": losses.wasserstein.discriminator_fake(fake_scores),
            "penalty": self.config.penalty * penalty,
        }

    def generate(self, step: Step) -> dict[str, Tensor]:
        """The generator raises the critic's mean score of its images."""
        return {"adversarial": losses.wasserstein.generator(self.discriminator(self.fakes(step)))}
