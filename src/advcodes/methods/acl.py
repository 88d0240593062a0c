"""Adversarial code learning (ACL, Yuan et al.) attached to an autoencoder, to GANs and to a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Count, Fraction, NonNegative, Positive
from advcodes.methods.autoencoder import Autoencoder, log_codes
from advcodes.methods.base import PRIORS, Method, MethodConfig, Optimiser, Phase, Prior, Step
from advcodes.methods.gan import GAN, WGANGP
from advcodes.methods.registry import register
from advcodes.nets.spec import DatasetSpec, Net

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


class CodeLearningConfig(MethodConfig):
    """Hyperparameters of the module."""

    prior: Prior = Field(
        "normal", description=f"input of G_z: {PRIORS}; the paper's is one-mode Gaussian (section 5.6)"
    )
    code_game: Literal["gan", "hinge", "wgan_gp"] = Field(
        "gan", description="game of G_z and D_c: Eq. 1, or another loss in its place"
    )
    code_normalisation: Literal["none", "batch", "layer"] = Field(
        "none", description="standardise encoder's codes over the batch or over each code's d numbers"
    )
    code_every: Count | None = Field(
        None, description="steps between rounds of the code game; null: one with each generator step (Algorithm 1)"
    )
    learning_rates: dict[str, Positive] = Field(
        {"code_generator": 2e-4, "code_discriminator": 1e-3},
        description="learning rate by role (assumed: D_c must not be slower than G_z)",
    )
    betas: dict[str, tuple[Fraction, Fraction]] = Field(
        {"code_generator": (0.5, 0.999), "code_discriminator": (0.5, 0.999)},
        description="Adam's by role, over `optimiser.betas` (assumed: beta1 as in images)",
    )


class CodeLearning(Method):
    """The ACL module in the training loop: :class:`advcodes.AdversarialCodeLearning` as two networks and two phases.

    Mix it into a method that has codes, give :meth:`real_codes`, and add :meth:`code_nets` and :meth:`code_phases` to
    the method's own; nothing else of the method changes (ACL section 3.2, Eq. 1).
    """

    def __init__(self, config: CodeLearningConfig, networks: Mapping[str, nn.Module], spec: DatasetSpec):
        from advcodes.acl import AdversarialCodeLearning

        super().__init__(config, networks, spec)
        self.acl = AdversarialCodeLearning(
            config.latent_dim, game=config.code_game, networks=(self.code_generator, self.code_discriminator)
        )

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

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        """What is decoded into samples, [n, d]: G_z(z)."""
        return self.code_generator(self.noise(n, generator))

    def real_codes(self, step: Step) -> Tensor:
        """Codes of the step's images, [N, d]: what G_z shall learn to generate."""
        raise self._cannot("learn codes")

    def generated_codes(self, step: Step) -> Tensor:
        """G_z(z), [N, d], the same for both phases."""
        return step.once("codes", ("code_generator",), lambda: self.codes(len(step.images)))

    def discriminate_codes(self, step: Step) -> dict[str, Tensor]:
        """ACL Eq. 1 for D_c. The real codes are its fixed target: "assume p_c(c) is fixed" (section 3.2)."""
        codes, generated = self.real_codes(step).detach(), self.generated_codes(step).detach()
        step.log("accuracy", lambda: self.acl.accuracy(codes, generated))
        log_codes(step, codes, generated)
        return self.acl.discriminator_loss(codes, generated)

    def generate_codes(self, step: Step) -> dict[str, Tensor]:
        """ACL Eq. 1 for G_z, non-saturating (facts 7.1, ACL-3)."""
        return {"adversarial": self.acl.generator_loss(self.generated_codes(step))}


@register("acl_ae")
class ACLAE(CodeLearning, Autoencoder):
    """ACL attached to an autoencoder, which so becomes a generative model (ACL section 4.1, Eqs. 2 and 3).

    The autoencoder trains as it would alone; the decoder never sees a generated code in training. The weight lambda_1
    of Eq. 3 would change nothing, as no network gets a gradient from both of its terms and Adam ignores a loss's scale.
    """

    class Config(CodeLearningConfig, Autoencoder.Config):
        pass

    sampling_roles = ("decoder", "code_generator")
    snapshot_roles = ("encoder",)

    @classmethod
    def nets(cls, config: CodeLearningConfig) -> dict[str, Net]:
        encoder = Net("encoder", {"normalise": config.code_normalisation})
        return {"encoder": encoder, "decoder": Net("generator"), **cls.code_nets()}

    @classmethod
    def phases(cls, config: CodeLearningConfig) -> list[Phase]:
        return [*Autoencoder.phases(config), *cls.code_phases(config)]

    def real_codes(self, step: Step) -> Tensor:
        return Autoencoder.real_codes(self, step)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decoder(self.codes(n, generator))


class ACLGANConfig(CodeLearningConfig):
    """Hyperparameters of ACL-GAN: the readings of Eqs. 4 to 6 and Algorithm 1 that differ (facts 5.10, 7.1)."""

    reconstruction_weight: NonNegative = Field(
        1.0,
        description="weight of L_R (lambda of Eq. 6) beside L_D in a joint step; Adam does not see that of an own one",
    )
    phi: Literal["convolution", "last"] = Field(
        "convolution",
        description="discriminator's layer that L_R compares: the last convolution (assumed), or that before the logit",
    )
    reconstruction: Literal["mean", "sum"] = Field(
        "mean", description="L_R per feature, or the summed norm as printed (ACL-5)"
    )
    reconstruction_step: Literal["joint", "own"] = Field(
        "own", description="L_R and L_D make one step each (Algorithm 1, lines 11 and 12), or one in all (Eq. 6)"
    )
    reconstruction_every: Count | None = Field(
        None, description="steps between own steps of L_R; null: one with each generator step (Algorithm 1)"
    )
    reconstruction_updates_generator: bool = Field(
        True, description="L_R updates E_x and G_x (Eq. 4), or E_x only (Algorithm 1, line 11) (ACL-1)"
    )
    reconstruction_updates_discriminator: bool = Field(
        False, description="L_R updates D_x, too (Eq. 6 taken as one objective): its features tend to vanish"
    )
    fakes: Literal["generated", "encoded", "both"] = Field(
        "generated",
        description="fakes of D_x: G_x(G_z(z)) (Algorithm 1), reconstructions (Eq. 5), or half of each (ACL-2)",
    )
    adversarial_updates_code_generator: bool = Field(
        False, description="L_D on G_x(G_z(z)) reaches G_z, too (Algorithm 1, line 12 lists G_x and D_x only)"
    )


@register("acl_gan")
class ACLGAN(CodeLearning, GAN):
    """ACL attached to a GAN (ACL section 4.2, Algorithm 1; readings in facts 5.10 and 7.1).

    Unless `fakes` says otherwise they are x_ff = G_x(G_z(z)), not reconstructions (ACL-2); the discriminator sees
    reconstructions only as features that L_R compares.
    """

    class Config(ACLGANConfig):
        pass

    sampling_roles = ("generator", "code_generator")

    @classmethod
    def nets(cls, config: Any) -> dict[str, Net]:
        encoder = Net("encoder", {"normalise": config.code_normalisation})
        return {**super().nets(config), "encoder": encoder, **cls.code_nets()}

    @classmethod
    def generated_by(cls, config: ACLGANConfig) -> tuple[str, ...]:
        return ("generator", "code_generator") if config.adversarial_updates_code_generator else ("generator",)

    @classmethod
    def joint(cls, config: ACLGANConfig) -> bool:
        """Whether L_R is part of the generator's adversarial step."""
        return config.reconstruction_updates_generator and config.reconstruction_step == "joint"

    @classmethod
    def phases(cls, config: Any) -> list[Phase]:
        discriminate, generate = super().phases(config)
        if cls.joint(config):  # one step of E_x and G_x, as Eq. 6 sums the losses
            image = [discriminate, Phase("generate", (*generate.updates, "encoder"), generate.every)]
        else:
            updates = ("encoder", "generator") if config.reconstruction_updates_generator else ("encoder",)
            image = [Phase("match", updates, config.reconstruction_every or generate.every), discriminate, generate]
        return [*image, *cls.code_phases(config, generate.every)]

    def real_codes(self, step: Step) -> Tensor:
        return step.once("real codes", ("encoder",), lambda: self.encoder(step.images))

    def fake_codes(self, step: Step) -> Tensor:
        if self.config.fakes == "generated":
            return self.codes(len(step.images))
        codes = self.real_codes(step).detach()  # L_D is the generator's and the discriminator's alone (line 12)
        if self.config.fakes == "both":
            half = len(codes) // 2
            codes = losses.codes.join(self.codes(half), codes[half:])
        return codes

    def feature_loss(self, step: Step, codes: Tensor) -> Tensor:
        """L_R, ACL Eq. 4: the distance of x and G_x(E_x(x)) in the discriminator's features."""
        error = {
            "mean": losses.reconstruction.squared_error,
            "sum": losses.reconstruction.summed_squared_error,
        }[self.config.reconstruction]
        phi = self.config.phi
        real = self.discriminator.features(step.images, phi)
        return self.config.reconstruction_weight * error(self.discriminator.features(self.generator(codes), phi), real)

    def match(self, step: Step) -> dict[str, Tensor]:
        """L_R alone: Eq. 4 (Algorithm 1, line 11)."""
        return {"reconstruction": self.feature_loss(step, self.real_codes(step))}

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """L_D for D_x: ACL Eq. 5, or a critic's loss under a gradient penalty (Algorithm 1, line 12)."""
        terms = super().discriminate(step)
        if self.config.reconstruction_updates_discriminator:
            terms["reconstruction"] = self.feature_loss(step, self.real_codes(step).detach())
        return terms

    def generate(self, step: Step) -> dict[str, Tensor]:
        """L_D for G_x: ACL Eq. 5, non-saturating (ACL-3), or a critic's; with L_R where both make one step (Eq. 6)."""
        terms = super().generate(step)
        if self.joint(self.config):
            terms["reconstruction"] = self.feature_loss(step, self.real_codes(step))
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
        prior: Prior = Field(  # type: ignore[assignment]  # WGAN-GP's have no four modes, ACL-GAN's have
            "normal", description=f"input of G_z: {PRIORS}"
        )
        optimiser: Optimiser = Optimiser(lr=1e-4)


@register("arae")
class ARAE(ACLGAN):
    """ARAE's code game inside the GAN framework: encoder and code generator move towards each other (facts 5.14).

    ACL-GAN, but the encoder is also trained so that its codes pass for generated ones; all else is the same, which
    isolates the one difference that ACL section 5.3 discusses ("ARAE mutually aligns the two distributions").
    """

    class Config(ACLGANConfig):
        alignment_weight: Positive = Field(
            0.2,
            description="learning rate of the encoder's step against the code critic, as a share of its own: what "
            "ARAE's weight of that gradient (0.2 in its image model; assumed here) is to a step of its own, as Adam "
            "does not see the scale of a loss",
        )

    @classmethod
    def phases(cls, config: ARAE.Config) -> list[Phase]:
        *image, discriminate_codes, generate_codes = super().phases(config)
        align = Phase("align", ("encoder",), discriminate_codes.every, rates={"encoder": config.alignment_weight})
        return [*image, discriminate_codes, align, generate_codes]

    def align(self, step: Step) -> dict[str, Tensor]:
        """The encoder's codes shall pass for generated ones: the fake term of ACL Eq. 1, on real codes."""
        logits = self.code_discriminator(self.encoder(step.images))
        return {"adversarial": losses.gan.discriminator_fake(logits)}


@register("acl_sgan")
class ACLSGAN(ACLGAN):
    """ACL-GAN whose encoder is a classifier: a discriminative model made generative (ACL section 4.3, figure 5).

    Labels alone train the encoder; L_R then updates the generator (facts 5.10, assumed). Where a dataset has no
    classes, its binary attributes serve.
    """

    class Config(ACLGANConfig):
        supervision: Literal["auto", "classes", "attributes"] = Field(
            "auto", description="what the encoder learns to tell; auto: classes, or attributes where there are none"
        )
        code_layer: Literal["hidden", "logits"] = Field(
            "hidden",
            description="code ('last fully connected layer'): of size `latent_dim` below the logits (assumed), or they",
        )

    @classmethod
    def nets(cls, config: ACLSGAN.Config) -> dict[str, Net]:
        nets = super().nets(config)
        if config.code_layer == "hidden":
            nets["classifier"] = Net("label_head", {"supervision": config.supervision})
        return nets

    def __init__(self, config: ACLSGAN.Config, networks: Mapping[str, nn.Module], spec: DatasetSpec):
        super().__init__(config, networks, spec)
        self.targets = spec.targets(config.supervision)
        n = getattr(spec, self.targets)
        if config.code_layer == "logits" and config.latent_dim != n:
            raise AdvcodesError(
                f"acl_sgan: `code_layer: logits` needs one code number for each of the {n} {self.targets}: "
                f"set `latent_dim: {n}`, not {config.latent_dim}"
            )

    @classmethod
    def phases(cls, config: ACLSGAN.Config) -> list[Phase]:
        phases = {phase.name: phase for phase in super().phases(config)}
        every = phases["generate"].every
        updates = ("encoder", "classifier") if config.code_layer == "hidden" else ("encoder",)
        own = [Phase("classify", updates, every)]
        for phase in phases.values():  # L_R and all else leave the encoder alone
            rest = tuple(role for role in phase.updates if role != "encoder")
            own += [Phase(phase.name, rest, phase.every)] if rest else []
        return own

    def classify(self, step: Step) -> dict[str, Tensor]:
        """The encoder as a classifier: cross entropy with classes, binary for attributes (section 4.3)."""
        codes = self.real_codes(step)
        logits = self.classifier(codes) if self.config.code_layer == "hidden" else codes
        truth: Any = step.labels if self.targets == "classes" else step.attributes
        step.log("accuracy", lambda: losses.classification.accuracy(logits, truth))
        loss = losses.classification.classes if self.targets == "classes" else losses.classification.attributes
        return {"cross_entropy": loss(logits, truth)}

    def feature_loss(self, step: Step, codes: Tensor) -> Tensor:
        """L_R, ACL Eq. 4, for the generator: the classifier's codes stay as they are."""
        return super().feature_loss(step, codes.detach())
