"""Adversarial code learning (ACL, Yuan et al.): the module, and the GANs it is attached to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from advcodes import losses
from advcodes.methods.base import Method, MethodConfig, Net, Optimiser, Phase, Step
from advcodes.methods.gan import GAN, WGANGP
from advcodes.registry import register
from advcodes.schema import Count, NonNegative, Positive

if TYPE_CHECKING:
    from torch import Generator, Tensor


class CodeLearningConfig(MethodConfig):
    """Hyperparameters of the module."""

    prior: Literal["normal", "uniform"] = Field("normal", description="input of G_z: one-mode Gaussian (section 5.6)")
    code_every: Count | None = Field(
        None, description="steps between rounds of the code game; null: one with each generator step (Algorithm 1)"
    )
    learning_rates: dict[str, Positive] = Field(
        {"code_generator": 2e-4, "code_discriminator": 1e-3},
        description="learning rate by role (assumed: D_c must not be slower than G_z)",
    )


class AdversarialCodeLearning(Method):
    """The ACL module: a code generator G_z and a code discriminator D_c that learn the distribution of real codes.

    Mix it into a method that has codes, give :meth:`real_codes`, and add :meth:`code_nets` and :meth:`code_phases` to
    the method's own; nothing else of the method changes (ACL section 3.2, Eq. 1).
    """

    @classmethod
    def code_nets(cls) -> dict[str, Net]:
        """The module's two networks."""
        return {"code_generator": Net("code_generator"), "code_discriminator": Net("code_discriminator")}

    @classmethod
    def code_phases(cls, config: CodeLearningConfig, every: int = 1) -> list[Phase]:
        """The module's two phases (Algorithm 1, line 13), once in ``every`` steps as the generator."""
        every = config.code_every or every
        return [
            Phase("discriminate_codes", updates=("code_discriminator",), every=every),
            Phase("generate_codes", updates=("code_generator",), every=every),
        ]

    def real_codes(self, step: Step) -> Tensor:
        """Codes of the step's images, [N, d]: what G_z shall learn to generate."""
        raise self._cannot("learn codes")

    def generated_codes(self, step: Step) -> Tensor:
        """G_z(z), [N, d], the same for both phases."""
        return step.once("codes", ("code_generator",), lambda: self.code_generator(self.noise(len(step.images))))

    def discriminate_codes(self, step: Step) -> dict[str, Tensor]:
        """ACL Eq. 1 for D_c. The real codes are its fixed target: "assume p_c(c) is fixed" (section 3.2)."""
        codes, generated = self.real_codes(step).detach(), self.generated_codes(step).detach()
        real, fake = self.code_discriminator(codes), self.code_discriminator(generated)
        step.log("accuracy", lambda: losses.gan.accuracy(real, fake))
        step.log("rank_real", lambda: losses.codes.effective_rank(codes))
        step.log("rank_generated", lambda: losses.codes.effective_rank(generated))
        return {"real": losses.gan.discriminator_real(real), "fake": losses.gan.discriminator_fake(fake)}

    def generate_codes(self, step: Step) -> dict[str, Tensor]:
        """ACL Eq. 1 for G_z, non-saturating (facts 7.1, ACL-3)."""
        return {"adversarial": losses.gan.generator(self.code_discriminator(self.generated_codes(step)))}


class ACLGANConfig(CodeLearningConfig):
    """Hyperparameters of ACL-GAN: the readings of Eqs. 4 to 6 and Algorithm 1 that differ (facts 5.10, 7.1)."""

    reconstruction_weight: NonNegative = Field(1.0, description="weight of L_R (lambda of Eq. 6)")
    phi: Literal["last", "convolution"] = Field(
        "last", description="discriminator's layer that L_R compares: before the logit (assumed), or last convolution"
    )
    reconstruction: Literal["mean", "sum"] = Field(
        "mean", description="L_R per feature, or the summed norm as printed (ACL-5)"
    )
    reconstruction_updates_generator: bool = Field(
        True, description="L_R updates E_x and G_x (Eq. 4), or E_x only (Algorithm 1, line 11) (ACL-1)"
    )
    adversarial_updates_code_generator: bool = Field(
        False, description="L_D on G_x(G_z(z)) reaches G_z, too (Algorithm 1, line 12 lists G_x and D_x only)"
    )


@register("acl_gan")
class ACLGAN(AdversarialCodeLearning, GAN):
    """ACL attached to a GAN (ACL section 4.2, Algorithm 1; readings in facts 5.10 and 7.1).

    Fakes are x_ff = G_x(G_z(z)), not reconstructions (ACL-2); the discriminator sees reconstructions only as features
    that L_R compares, and L_R never updates it.
    """

    class Config(ACLGANConfig):
        pass

    sampling_roles = ("generator", "code_generator")

    @classmethod
    def nets(cls, config: MethodConfig) -> dict[str, Net]:
        return {**super().nets(config), "encoder": Net("encoder"), **cls.code_nets()}

    @classmethod
    def generated_by(cls, config: ACLGANConfig) -> tuple[str, ...]:
        return ("generator", "code_generator") if config.adversarial_updates_code_generator else ("generator",)

    @classmethod
    def phases(cls, config: ACLGANConfig) -> list[Phase]:
        discriminate, generate = super().phases(config)
        if config.reconstruction_updates_generator:  # one joint step of E_x and G_x, as Eq. 6 sums the losses
            image = [discriminate, Phase("generate", (*generate.updates, "encoder"), generate.every)]
        else:
            image = [Phase("match", ("encoder",), generate.every), discriminate, generate]
        return [*image, *cls.code_phases(config, generate.every)]

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.code_generator(self.noise(n, generator))

    def real_codes(self, step: Step) -> Tensor:
        return step.once("real codes", ("encoder",), lambda: self.encoder(step.images))

    def feature_loss(self, step: Step) -> Tensor:
        """L_R, ACL Eq. 4: the distance of x and G_x(E_x(x)) in the discriminator's features, D_x frozen."""
        error = {
            "mean": losses.reconstruction.squared_error,
            "sum": losses.reconstruction.summed_squared_error,
        }
        phi, reconstructed = self.config.phi, self.generator(self.real_codes(step))
        target = self.discriminator.features(step.images, phi).detach()
        distance = error[self.config.reconstruction](self.discriminator.features(reconstructed, phi), target)
        return self.config.reconstruction_weight * distance

    def match(self, step: Step) -> dict[str, Tensor]:
        return {"reconstruction": self.feature_loss(step)}

    def generate(self, step: Step) -> dict[str, Tensor]:
        terms = super().generate(step)
        if self.config.reconstruction_updates_generator:
            terms["reconstruction"] = self.feature_loss(step)
        return terms

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.generator(self.encoder(x))


@register("acl_gan_gp")
class ACLGANGP(ACLGAN, WGANGP):
    """ACL attached to WGAN-GP: the image game is Wasserstein with gradient penalty, the code game stays Eq. 1.

    "Apply the gradient penalty" is all that section 5.3 says; the rest is facts 5.10's reading.
    """

    class Config(ACLGANConfig, WGANGP.Config):
        prior: Literal["normal", "uniform"] = Field("normal", description="input of G_z (section 5.6)")
        optimiser: Optimiser = Optimiser(lr=1e-4)
