"""Wasserstein autoencoders: an autoencoder whose codes, all together, are distributed like the prior."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.schema import Natural, NonNegative, Positive
from advcodes.methods.autoencoder import FromPrior, log_codes
from advcodes.methods.base import MethodConfig, Optimiser, Phase, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import Net

if TYPE_CHECKING:
    from torch import Tensor


class WAE(FromPrior):
    """What both share (Tolstikhin et al. 2018; settings of the authors' CelebA configuration, facts 5.13).

    The encoder is deterministic. First it alone learns to match the prior's mean and covariance. (The authors do so in
    batches of 256 and stop once that has come below 0.1; here the batch is that of the run, and all steps are made.)
    """

    class Config(MethodConfig):
        architecture: str = Field("wae", description="name under `architectures` that builds the networks")
        prior: Literal["normal"] = Field("normal", description="N(0, I)")
        reconstruction_weight: Positive = Field(
            614.4,
            description="of the squared error per pixel: the authors' 0.05 of its sum over 3x64x64; the same for "
            "images of other sizes (assumed), so that lambda means the same for them",
        )
        penalty: NonNegative = Field(1.0, description="lambda: weight of what pushes codes towards the prior")
        input_noise: NonNegative = Field(
            0.01, description="standard deviation of noise on the encoder's images in training, on [-1, 1]"
        )
        pretrain_steps: Natural = Field(200, description="steps in which the encoder only matches the prior's moments")
        optimiser: Optimiser = Optimiser(lr=3e-4)

    snapshot_roles = ("encoder",)

    @classmethod
    def phases(cls, config: Any) -> list[Phase]:
        first = config.pretrain_steps
        pretraining = [Phase("match_moments", ("encoder",), until=first)] if first else []
        return [*pretraining, Phase("autoencode", ("encoder", "decoder"), after=first)]

    def real_codes(self, step: Step) -> Tensor:
        """Codes [N, d] of the step's images with normal noise on them (the authors truncate it at 2 sd)."""
        import torch

        def make() -> Tensor:
            low, high = self.spec.value_range
            spread = self.config.input_noise * (high - low) / 2
            return self.encoder(step.images + spread * torch.randn_like(step.images) if spread else step.images)

        return step.once("real codes", ("encoder",), make)

    def match_moments(self, step: Step) -> dict[str, Tensor]:
        """Squared distance of the codes' mean and covariance from the prior's."""
        return {"moments": losses.mmd.moments(self.real_codes(step))}

    def autoencode(self, step: Step) -> dict[str, Tensor]:
        """The reconstruction's cost plus lambda times the distance of codes from the prior (WAE Eq. 4)."""
        codes = self.real_codes(step)
        error = losses.reconstruction.squared_error(self.decoder(codes), step.images)
        return {
            "error": self.config.reconstruction_weight * error,
            "penalty": self.config.penalty * self.distance(step, codes),
        }

    def distance(self, step: Step, codes: Tensor) -> Tensor:
        """D_Z: how far codes [N, d] are from the prior."""
        raise NotImplementedError


@register("wae_gan")
class WAEGAN(WAE):
    """WAE-GAN (Algorithm 1 of Tolstikhin et al. 2018): a discriminator tells codes from noise.

    It is stepped after the autoencoder, on the same codes. The authors weigh its own loss by lambda, too, which Adam
    does not see.
    """

    class Config(WAE.Config):
        log_prior: bool = Field(True, description="add log p(c), which is known, to the discriminator's logit")
        learning_rates: dict[str, Positive] = Field(
            {"code_discriminator": 1e-3}, description="learning rate by role, over `optimiser.lr`"
        )

    @classmethod
    def nets(cls, config: MethodConfig) -> dict[str, Net]:
        return {**super().nets(config), "code_discriminator": Net("code_discriminator")}

    @classmethod
    def phases(cls, config: WAEGAN.Config) -> list[Phase]:
        first = config.pretrain_steps
        return [*super().phases(config), Phase("discriminate_codes", ("code_discriminator",), after=first)]

    def logits(self, codes: Tensor) -> Tensor:
        """How much codes [N, d] look like the prior's, [N]: the network's output and log p(c)."""
        logits = self.code_discriminator(codes).float()
        if not self.config.log_prior:
            return logits
        return logits - codes.float().square().sum(1) / 2 - codes.shape[1] * math.log(2 * math.pi) / 2

    def distance(self, step: Step, codes: Tensor) -> Tensor:
        """The encoder's codes shall pass for noise (non-saturating)."""
        return losses.gan.generator(self.logits(codes))

    def discriminate_codes(self, step: Step) -> dict[str, Tensor]:
        """The code discriminator: noise is real, codes are fake."""
        codes, noise = self.real_codes(step).detach(), self.noise(len(step.images))
        real, fake = self.logits(noise), self.logits(codes)
        step.log("accuracy", lambda: losses.gan.accuracy(real, fake))
        log_codes(step, codes, noise)
        return {"real": losses.gan.discriminator_real(real), "fake": losses.gan.discriminator_fake(fake)}


@register("wae_mmd")
class WAEMMD(WAE):
    """WAE-MMD (Algorithm 2 of Tolstikhin et al. 2018): the distance is an estimate from the batch, without a game."""

    class Config(WAE.Config):
        penalty: NonNegative = Field(100.0, description="lambda: weight of what pushes codes towards the prior")
        optimiser: Optimiser = Optimiser(lr=1e-3)

    def distance(self, step: Step, codes: Tensor) -> Tensor:
        """MMD between codes and noise."""
        noise = self.noise(len(codes))
        log_codes(step, codes.detach(), noise)
        return losses.mmd.inverse_multiquadratics(codes, noise)
