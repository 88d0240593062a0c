"""Adversarially approximated autoencoder (AAAE, Xu et al.): an autoencoder with a patch discriminator, and an
approximator that learns to generate its codes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.schema import Count, NonNegative
from advcodes.methods.autoencoder import FromPrior, log_codes
from advcodes.methods.base import MethodConfig, Optimiser, Phase, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import Net

if TYPE_CHECKING:
    from torch import Generator, Tensor


@register("aaae")
class AAAE(FromPrior):
    """AAAE (Algorithm 1, Eqs. 7 and 9; facts 5.12).

    Encoder and decoder reconstruct images, and their reconstructions shall pass for real before the patch discriminator
    D_omega. Codes have no prior: the approximator G_phi learns to turn noise into codes that a critic D_gamma cannot
    tell from the encoder's, and samples are decoded from its codes. D_omega sees reconstructions only, no samples.

    Both pairs of players are updated simultaneously, as in Algorithm 1. The game of codes is played on those that the
    encoder gives once it is updated (lines 7 and 10). Algorithm 1 draws new images for each of the k steps of the
    approximator; here the step's own images serve in all of them, each time against new noise.
    """

    class Config(MethodConfig):
        architecture: str = Field("aaae", description="name under `architectures` that builds the networks")
        latent_dim: Count = Field(128, description="d: size of codes")
        noise_dim: Count = Field(64, description="numbers of noise z that the approximator gets")
        prior: Literal["normal", "uniform"] = Field("normal", description="noise: N(0, I), or uniform on [-1, 1]")
        distance: Literal["squared", "absolute"] = Field(
            "squared", description="d(x, x_hat) of Eq. 7: squared or absolute error per pixel (assumed)"
        )
        adversarial: Literal["nonsaturating", "critic"] = Field(
            "nonsaturating",
            description="loss on reconstructions: -log sigmoid(D(x_hat)) (assumed), or -D(x_hat), as Eq. 7 has it with "
            "its sign and argument put right (A-1, A-2)",
        )
        adversarial_weight: NonNegative = Field(
            1e-3, description="lambda_1: weight of that loss, not of the distance, where Eq. 7 prints it (A-3)"
        )
        penalty: NonNegative = Field(10.0, description="lambda_2: weight of the gradient penalty")
        penalty_at: Literal["interpolates", "generated"] = Field(
            "interpolates",
            description="codes at which the penalty is taken: between real and generated ones, as WGAN-GP does "
            "(assumed), or generated ones, as Eq. 9 prints it (A-5)",
        )
        approximator_steps: Count = Field(2, description="k: updates of critic and approximator for each batch")
        optimiser: Optimiser = Optimiser(lr=1e-4, betas=(0.5, 0.9))

    sampling_roles = ("decoder", "code_generator")
    snapshot_roles = ("encoder",)

    @classmethod
    def nets(cls, config: AAAE.Config) -> dict[str, Net]:
        return {
            **super().nets(config),
            "discriminator": Net("discriminator"),
            "code_generator": Net("code_generator", {"noise": config.noise_dim}),
            "code_discriminator": Net("code_discriminator"),
        }

    @classmethod
    def phases(cls, config: AAAE.Config) -> list[Phase]:
        images = [
            Phase("autoencode", ("encoder", "decoder"), joint=True),
            Phase("discriminate", ("discriminator",)),
        ]
        codes = [
            Phase("discriminate_codes", ("code_discriminator",), joint=True),
            Phase("approximate", ("code_generator",)),
        ]
        return images + codes * config.approximator_steps

    @property
    def noise_size(self) -> int:
        return self.config.noise_dim

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        """What is decoded into samples, [n, d]: G_phi(z)."""
        return self.code_generator(self.noise(n, generator))

    def reconstructions(self, step: Step) -> Tensor:
        """x_hat, [N, C, H, W], the same for both phases of images."""
        codes = self.real_codes(step)
        return step.once("reconstructions", ("decoder",), lambda: self.decoder(codes))

    def updated_codes(self, step: Step) -> Tensor:
        """E(x) of the step's images, [N, d], by the encoder as it is after its update, the same in all k steps."""
        return step.once("updated codes", (), lambda: self.encoder(step.images))

    def autoencode(self, step: Step) -> dict[str, Tensor]:
        """O_x for encoder and decoder: d(x, x_hat) + lambda_1 * adversarial(x_hat) (Eq. 7; A-1, A-2, A-3)."""
        made = self.reconstructions(step)
        distance = {
            "squared": losses.reconstruction.squared_error,
            "absolute": losses.absolute.error,
        }[self.config.distance]
        game = {"nonsaturating": losses.gan, "critic": losses.wasserstein}[self.config.adversarial]
        adversarial = game.generator(self.discriminator(made))
        return {
            "error": distance(made, step.images),
            "adversarial": self.config.adversarial_weight * adversarial,
        }

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """O_x for D_omega: binary cross entropy over patches, images 1, reconstructions 0 (Algorithm 1, line 6)."""
        real, fake = self.discriminator(step.images), self.discriminator(self.reconstructions(step).detach())
        step.log("accuracy", lambda: losses.gan.accuracy(real, fake))
        return {"real": losses.gan.discriminator_real(real), "fake": losses.gan.discriminator_fake(fake)}

    def discriminate_codes(self, step: Step) -> dict[str, Tensor]:
        """O_z for the critic D_gamma: the encoder's codes are real, with the gradient penalty (Eq. 9; A-5)."""
        real, fake = self.updated_codes(step).detach(), self.codes(len(step.images)).detach()
        # Between generated codes and themselves lie they alone.
        ends = real if self.config.penalty_at == "interpolates" else fake
        # `forward`, not the module itself: torch.compile cannot differentiate twice.
        penalty = losses.wasserstein.gradient_penalty(self.code_discriminator.forward, ends, fake)
        real_scores, fake_scores = self.code_discriminator(real), self.code_discriminator(fake)
        step.log("accuracy", lambda: losses.wasserstein.accuracy(real_scores, fake_scores))
        log_codes(step, real, fake)
        return {
            "real": losses.wasserstein.discriminator_real(real_scores),
            "fake": losses.wasserstein.discriminator_fake(fake_scores),
            "penalty": self.config.penalty * penalty,
        }

    def approximate(self, step: Step) -> dict[str, Tensor]:
        """O_z for the approximator G_phi: it raises the critic's mean score of its codes (Eq. 9)."""
        return {"adversarial": losses.wasserstein.generator(self.code_discriminator(self.codes(len(step.images))))}
