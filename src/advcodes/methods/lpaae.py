"""Learning priors for adversarial autoencoders (LPAAE, Wang et al.): plain, supervised, unsupervised and from text.

A code generator turns noise into codes. In the *AAE phase* the encoder learns to make codes that pass for its, in the
*prior phase* it learns to make codes that decode into images that pass for real (Algorithm 1). Three switches lead from
an adversarial autoencoder to the full method (table 3): A `learned_prior`, B `perceptual`, C `decoder_in_both`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Count, Positive
from advcodes.methods.autoencoder import Autoencoder, FromPrior, log_codes
from advcodes.methods.base import Phase, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import DatasetSpec, Net

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


class LPAAEConfig(Autoencoder.Config):
    """Hyperparameters of all four methods; the paper states no optimiser, lambda or training length (facts 5.11)."""

    prior: Literal["normal", "uniform"] = Field("normal", description="noise: N(0, I), or uniform on [-1, 1]")
    noise_dim: Count | None = Field(
        None, description="numbers of noise; null: `latent_dim`, less those of a label where one is given"
    )
    learned_prior: bool = Field(True, description="A: codes come from the code generator; false: noise is the prior")
    perceptual: bool = Field(True, description="B: L_rec compares the image discriminator's features; false: pixels")
    decoder_in_both: bool = Field(True, description="C: the prior phase updates the decoder, too")
    features: Literal["convolution", "last"] = Field(
        "convolution", description="F of Eq. 6: D_I's last convolution, or the layer before its logit"
    )
    shared_statistics: bool = Field(
        False,
        description="for L_rec the image discriminator sees images and reconstructions as one batch, normalised by "
        "statistics in common; apart, each by its own, which hide contrast and brightness from the loss (L-13)",
    )
    reconstruction_weight: Positive = Field(
        1.0, description="lambda of Algorithm 1 (assumed): factor on the decoder's learning rate in the AAE phase"
    )
    reconstructions_are_fakes: bool = Field(
        False, description="the image discriminator takes reconstructions for fakes, too (an earlier manuscript)"
    )
    stochastic_encoder: bool = Field(
        False, description="the encoder gives mean and standard deviation of a code (AAE in figure 9)"
    )


@register("lpaae")
class LPAAE(FromPrior):
    """LPAAE without a condition (section 3.A, Eqs. 4 to 6).

    Without the switches A, B and C it is an adversarial autoencoder that reconstructs pixels. Generators' losses are
    non-saturating, where Algorithm 1 prints saturating ones (facts 7.3, L-4).
    """

    class Config(LPAAEConfig):
        pass

    sampling_roles: tuple[str, ...] = ("decoder", "code_generator")

    @classmethod
    def condition_kind(cls, config: Any) -> str | int | None:
        """The condition that the code generator gets: ``classes``, ``text``, a number of clusters or none."""
        return None

    @classmethod
    def nets(cls, config: LPAAEConfig) -> dict[str, Net]:
        kind = cls.condition_kind(config)
        condition = {} if kind is None else {"condition": kind}
        of_codes = condition if cls.conditioned_on != "clusters" else {}  # "class agnostic" (section 3.B.2)
        nets = {
            "encoder": Net("encoder", {"outputs": 2} if config.stochastic_encoder else {}),
            "decoder": Net("generator"),
            "code_discriminator": Net("code_discriminator", of_codes),
        }
        if config.learned_prior:
            nets["code_generator"] = Net("code_generator", {"noise": config.noise_dim, **condition})
        if cls.judges(config):
            nets["discriminator"] = Net("discriminator", cls.discriminator_options(config))
            if kind is not None:
                nets["recogniser"] = Net("recogniser", condition)
        return nets

    @classmethod
    def discriminator_options(cls, config: Any) -> dict[str, Any]:
        """Of the image discriminator."""
        return {}

    @classmethod
    def judges(cls, config: LPAAEConfig) -> bool:
        """Whether there is an image discriminator: for the code generator, as features, or for the decoder."""
        return config.learned_prior or config.perceptual or config.decoder_in_both

    @classmethod
    def phases(cls, config: LPAAEConfig) -> list[Phase]:
        phases = [
            Phase("discriminate_codes", ("code_discriminator",)),
            Phase("autoencode", ("encoder", "decoder"), rates={"decoder": config.reconstruction_weight}),
        ]
        if cls.judges(config):
            recogniser = () if cls.condition_kind(config) is None else ("recogniser",)
            phases.append(Phase("discriminate", ("discriminator", *recogniser)))
        if generated_by := cls.generated_by(config):
            phases.append(Phase("generate", generated_by))
        return phases

    @classmethod
    def generated_by(cls, config: LPAAEConfig) -> tuple[str, ...]:
        """Roles that the prior phase updates (besides the discriminator)."""
        return ("code_generator",) * config.learned_prior + ("decoder",) * config.decoder_in_both

    def __init__(self, config: LPAAEConfig, networks: Mapping[str, nn.Module], spec: DatasetSpec):
        super().__init__(config, networks, spec)
        self.sampling_roles = tuple(role for role in type(self).sampling_roles if role in networks)
        label = spec.condition_size(self.condition_kind(config))
        self._noise_size = config.noise_dim or config.latent_dim - label
        if self._noise_size < 1:
            raise AdvcodesError(
                f"{self.name}: latent_dim {config.latent_dim} leaves no noise beside a condition of {label} numbers; "
                "set `noise_dim`, or a larger `latent_dim`"
            )
        if not config.learned_prior and label + self._noise_size != config.latent_dim:
            raise AdvcodesError(
                f"{self.name}: without a learned prior the code is {'the condition and ' if label else ''}the noise: "
                f"set `latent_dim: {label + self._noise_size}`, not {config.latent_dim}"
            )

    @property
    def noise_size(self) -> int:
        return self._noise_size

    # -- codes ------------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).chunk(2, dim=1)[0] if self.config.stochastic_encoder else self.encoder(x)

    def drawn_code(self, x: Tensor) -> Tensor:
        """enc(x) as training has it, [N, d]: drawn from N(mean, sd²) where the encoder is stochastic."""
        if not self.config.stochastic_encoder:
            return self.encoder(x)
        import torch

        mean, spread = self.encoder(x).chunk(2, dim=1)
        return mean + torch.nn.functional.softplus(spread) * torch.randn_like(mean)

    def real_codes(self, step: Step) -> Tensor:
        return step.once("real codes", ("encoder",), lambda: self.drawn_code(step.images))

    def codes_of(self, noise: Tensor, condition: Tensor | None = None) -> Tensor:
        """z_c = CG(z, s), [N, d]; without a learned prior s and z themselves."""
        if self.config.learned_prior:
            return self.code_generator(noise, condition)
        return noise if condition is None else losses.codes.beside(condition, noise)

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.codes_of(self.noise(n, generator))

    def condition_of(self, step: Step) -> Tensor | None:
        """s as networks get it, float [N, ...], the same in all phases of a step; None without one."""
        return None

    def fresh_codes(self, step: Step) -> Tensor:
        """z_c of new noise and the step's condition, [N, d]."""
        return self.codes_of(self.noise(len(step.images)), self.condition_of(step))

    # -- AAE phase --------------------------------------------------------------------------------------------

    def condition_of_codes(self, step: Step) -> Tensor | None:
        """The code discriminator's condition: s in the supervised setting (Eq. 8), nothing in the unsupervised."""
        return None if self.conditioned_on == "clusters" else self.condition_of(step)

    def discriminate_codes(self, step: Step) -> dict[str, Tensor]:
        """L_GAN^C for D_C: the code generator's codes are real, the encoder's fake (Eq. 5, with s Eq. 8)."""
        import torch

        with torch.no_grad():
            prior = self.fresh_codes(step)
        codes, condition = self.real_codes(step).detach(), self.condition_of_codes(step)
        real, fake = self.code_discriminator(prior, condition), self.code_discriminator(codes, condition)
        step.log("accuracy", lambda: losses.gan.accuracy(real, fake))
        log_codes(step, codes, prior)
        return {"real": losses.gan.discriminator_real(real), "fake": losses.gan.discriminator_fake(fake)}

    def autoencode(self, step: Step) -> dict[str, Tensor]:
        """L_GAN^C for the encoder, non-saturating (L-4), and L_rec for encoder and decoder (Eq. 6, or pixels)."""
        codes = self.real_codes(step)
        error = {
            "mean": losses.reconstruction.squared_error,
            "sum": losses.reconstruction.summed_squared_error,
        }[self.config.reconstruction]
        made, real = self.decoder(codes), step.images
        if self.config.perceptual:
            made, real = self.perceived(made, real)
        adversarial = losses.gan.generator(self.code_discriminator(codes, self.condition_of_codes(step)))
        return {"adversarial": adversarial, "error": error(made, real)}

    def perceived(self, made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """F of Eq. 6 of reconstructions and of images, each [N, ...]."""
        if not self.config.shared_statistics:
            made, real = (self.discriminator.features(x, self.config.features) for x in (made, real))
            return made, real
        import torch

        both = self.discriminator.features(torch.cat([made, real]), self.config.features)
        made, real = both.chunk(2)
        return made, real

    # -- prior phase ------------------------------------------------------------------------------------------

    def fakes(self, step: Step) -> Tensor:
        """dec(z_c) of new noise, the same for discriminator and generator (Algorithm 1)."""
        return step.once("fakes", self.generated_by(self.config), lambda: self.decoder(self.fresh_codes(step)))

    def judged(self, step: Step, images: Tensor) -> Tensor:
        """Logits of the image discriminator, [N]."""
        return self.discriminator(images)

    def information(self, step: Step, images: Tensor) -> dict[str, Tensor]:
        """L_I: how far Q is from the condition that ``images`` shall show (Eq. 7, to be minimised: L-7)."""
        return {}

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """L_GAN^I for D_I (Eq. 4) and, as in InfoGAN, L_I for Q and the layers that it shares with D_I (Eq. 7)."""
        fakes = self.fakes(step).detach()
        real, fake = self.judged(step, step.images), self.judged(step, fakes)
        step.log("accuracy", lambda: losses.gan.accuracy(real, fake))
        terms = {"real": losses.gan.discriminator_real(real), "fake": losses.gan.discriminator_fake(fake)}
        if self.config.reconstructions_are_fakes:
            import torch

            with torch.no_grad():
                reconstructions = self.decoder(self.real_codes(step))
            terms["reconstruction"] = losses.gan.discriminator_fake(self.judged(step, reconstructions))
        return terms | self.information(step, fakes)

    def generate(self, step: Step) -> dict[str, Tensor]:
        """L_GAN^I for the code generator and the decoder, non-saturating (Eq. 4, L-4), and L_I (Eq. 7)."""
        fakes = self.fakes(step)
        return {"adversarial": losses.gan.generator(self.judged(step, fakes)), **self.information(step, fakes)}
