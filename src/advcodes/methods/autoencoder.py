"""Autoencoders: plain, variational and adversarial, the baselines of ACL's figures 6 and 7."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Count, NonNegative
from advcodes.methods.base import Method, MethodConfig, Phase, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import Net

if TYPE_CHECKING:
    from torch import Generator, Tensor


def log_codes(step: Step, real: Tensor, generated: Tensor) -> None:
    """Log what is known of an encoder's codes [N, d] and of those that samples are decoded from."""
    step.log("rank_real", lambda: losses.codes.effective_rank(real))
    step.log("rank_generated", lambda: losses.codes.effective_rank(generated))
    step.log("mismatch", lambda: losses.codes.mismatch(real, generated))


class Autoencoder(Method):
    """What autoencoders share: an encoder, a decoder, and the squared error between images and reconstructions."""

    class Config(MethodConfig):
        reconstruction: Literal["mean", "sum"] = Field(
            "mean", description="squared error per pixel, or the summed norm as Eq. 2 prints it (ACL-5)"
        )

    @classmethod
    def nets(cls, config: Any) -> dict[str, Net]:
        return {"encoder": Net("encoder"), "decoder": Net("generator")}

    @classmethod
    def phases(cls, config: Any) -> list[Phase]:
        return [Phase("reconstruction", updates=("encoder", "decoder"))]

    def real_codes(self, step: Step) -> Tensor:
        """Codes of the step's images, [N, d]."""
        return step.once("real codes", ("encoder",), lambda: self.encoder(step.images))

    def reconstruction(self, step: Step) -> dict[str, Tensor]:
        """L_E: the squared error of pixels (ACL Eq. 2)."""
        error = {
            "mean": losses.reconstruction.squared_error,
            "sum": losses.reconstruction.summed_squared_error,
        }[self.config.reconstruction]
        return {"error": error(self.decoder(self.real_codes(step)), step.images)}

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def decode(self, c: Tensor) -> Tensor:
        return self.decoder(c)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))


@register("ae")
class AE(Autoencoder):
    """Autoencoder: it encodes and reconstructs, and cannot sample.

    ACL section 4.1: "Autoencoders are not generative models yet in that the learned latent code distribution is not
    directly accessible".
    """

    def reconstruction(self, step: Step) -> dict[str, Tensor]:
        """L_E: the squared error of pixels (ACL Eq. 2)."""
        codes = self.real_codes(step)
        step.log("rank_real", lambda: losses.codes.effective_rank(codes))
        return super().reconstruction(step)


class FromPrior(Autoencoder):
    """An autoencoder whose codes are pushed towards a prior, so that decoding the prior gives samples."""

    sampling_roles: tuple[str, ...] = ("decoder",)

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        """What is decoded into samples, [n, d]: noise."""
        return self.noise(n, generator)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decoder(self.codes(n, generator))


@register("vae")
class VAE(FromPrior):
    """Variational autoencoder (Kingma & Welling 2014; settings of facts 5.8).

    The encoder gives a mean and a standard deviation (softplus) for each code; reconstructions decode the mean.
    """

    class Config(MethodConfig):
        prior: Literal["normal"] = Field("normal", description="N(0, I), for which the KL is known")
        likelihood: Literal["bernoulli", "gaussian"] = Field(
            "bernoulli", description="of pixels given a code: Bernoulli (images), or Gaussian with variance 1"
        )
        kl_weight: NonNegative = Field(1.0, description="weight of the KL; 1 is the evidence lower bound")

    @classmethod
    def nets(cls, config: Any) -> dict[str, Net]:
        return {"encoder": Net("encoder", {"outputs": 2}), "decoder": Net("generator")}

    @classmethod
    def phases(cls, config: Any) -> list[Phase]:
        return [Phase("evidence", updates=("encoder", "decoder"))]

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of q(c|x), each [N, d]."""
        from torch.nn.functional import softplus

        mean, spread = self.encoder(x).float().chunk(2, dim=1)
        return mean, softplus(spread) + 1e-6

    def evidence(self, step: Step) -> dict[str, Tensor]:
        """The evidence lower bound, negated: -E[log p(x|c)] + KL(q(c|x) || p(c)), in nats per image."""
        mean, sd = self.posterior(step.images)
        noise = self.noise(len(mean))
        codes = mean + sd * noise
        log_codes(step, codes, noise)
        return {
            "likelihood": self.negative_log_likelihood(self.decoder(codes), step.images),
            "kl": self.config.kl_weight * losses.variational.kl_to_standard_normal(mean, sd),
        }

    def negative_log_likelihood(self, reconstruction: Tensor, x: Tensor) -> Tensor:
        """-log p(x|c), in nats per image.

        Raises:
            AdvcodesError: a likelihood of pixels, and points.
        """
        if self.config.likelihood == "gaussian":
            return losses.variational.gaussian(reconstruction, x)
        return losses.variational.bernoulli(self.unit(reconstruction), self.unit(x))

    def unit(self, x: Tensor) -> Tensor:
        """Images of the dataset's value range on [0, 1], in float32.

        Raises:
            AdvcodesError: points have no such range.
        """
        if len(self.spec.shape) == 1:
            raise AdvcodesError(
                f"{self.name}: a likelihood of {self.config.likelihood!r} needs images; set `likelihood: gaussian` for "
                "points"
            )
        low, high = self.spec.value_range
        return (x.float() - low) / (high - low)

    def encode(self, x: Tensor) -> Tensor:
        return self.posterior(x)[0]


@register("aae")
class AAE(FromPrior):
    """Adversarial autoencoder (Makhzani et al. 2015; settings of facts 5.8).

    A discriminator tells codes from noise, and the encoder learns to make codes that pass for noise: the reverse of
    ACL, where noise learns to pass for codes (ACL figure 3).
    """

    class Config(Autoencoder.Config):
        encoder_steps: Count = Field(2, description="encoder steps against the discriminator for each batch")

    @classmethod
    def nets(cls, config: MethodConfig) -> dict[str, Net]:
        return {**super().nets(config), "code_discriminator": Net("code_discriminator")}

    @classmethod
    def phases(cls, config: AAE.Config) -> list[Phase]:
        return [
            *super().phases(config),
            Phase("discriminate_codes", updates=("code_discriminator",)),
            Phase("confuse", updates=("encoder",), times=config.encoder_steps),
        ]

    def discriminate_codes(self, step: Step) -> dict[str, Tensor]:
        """The code discriminator: noise is real, codes are fake."""
        codes, noise = self.real_codes(step).detach(), self.noise(len(step.images))
        real, fake = self.code_discriminator(noise), self.code_discriminator(codes)
        step.log("accuracy", lambda: losses.gan.accuracy(real, fake))
        log_codes(step, codes, noise)
        return {"real": losses.gan.discriminator_real(real), "fake": losses.gan.discriminator_fake(fake)}

    def confuse(self, step: Step) -> dict[str, Tensor]:
        """The encoder's codes shall pass for noise (non-saturating)."""
        return {"adversarial": losses.gan.generator(self.code_discriminator(self.encoder(step.images)))}
