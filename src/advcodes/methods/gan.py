"""GAN and WGAN-GP: the baselines that adversarial code learning attaches to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from advcodes import losses
from advcodes.methods.base import Method, MethodConfig, Net, Optimiser, Phase, Step
from advcodes.registry import register
from advcodes.schema import Count, NonNegative

if TYPE_CHECKING:
    from torch import Generator, Tensor


@register("gan")
class GAN(Method):
    """Generative adversarial network, non-saturating (facts 5.1).

    One discriminator step, then one generator step on the same fakes.
    """

    class Config(MethodConfig):
        prior: Literal["normal", "uniform"] = Field(
            "uniform", description="N(0, I) or uniform on [-1, 1]^d; compare_gan's GAN is uniform"
        )

    sampling_roles = ("generator",)

    @classmethod
    def nets(cls, config: MethodConfig) -> dict[str, Net]:
        return {"generator": Net("generator"), "discriminator": Net("discriminator")}

    @classmethod
    def generated_by(cls, config: MethodConfig) -> tuple[str, ...]:
        """Roles that the adversarial loss on generated images updates."""
        return ("generator",)

    @classmethod
    def phases(cls, config: MethodConfig) -> list[Phase]:
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


@register("wgan_gp")
class WGANGP(GAN):
    """Wasserstein GAN with gradient penalty (facts 5.2): no batch norm in the critic, fresh noise for the generator.

    The critic is stepped on every batch, the generator on every ``n_critic``-th.
    """

    class Config(GAN.Config):
        prior: Literal["normal", "uniform"] = Field("normal", description="N(0, I) or uniform on [-1, 1]^d")
        n_critic: Count = Field(5, description="critic steps for one generator step")
        penalty: NonNegative = Field(10.0, description="weight of the gradient penalty")
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

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """The critic: mean score of fakes minus that of real images, with the gradient penalty (facts 5.2)."""
        fake = step.once("critic fakes", (), lambda: self.generator(self.fake_codes(step)))
        # `forward`, not the module itself: torch.compile cannot differentiate twice.
        penalty = losses.wasserstein.gradient_penalty(self.discriminator.forward, step.images, fake)
        real_scores, fake_scores = self.discriminator(step.images), self.discriminator(fake)
        step.log("accuracy", lambda: losses.wasserstein.accuracy(real_scores, fake_scores))
        return {
            "real": losses.wasserstein.discriminator_real(real_scores),
            "fake": losses.wasserstein.discriminator_fake(fake_scores),
            "penalty": self.config.penalty * penalty,
        }

    def generate(self, step: Step) -> dict[str, Tensor]:
        """The generator raises the critic's mean score of its images."""
        return {"adversarial": losses.wasserstein.generator(self.discriminator(self.fakes(step)))}
