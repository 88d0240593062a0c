"""Learning priors for adversarial autoencoders (LPAAE, Wang et al.): plain, supervised, unsupervised and from text.

A code generator turns noise into codes. In the *AAE phase* the encoder learns to make codes that pass for its, in the
*prior phase* it learns to make codes that decode into images that pass for real (Algorithm 1). Three switches lead from
an adversarial autoencoder to the full method (table 3): A `learned_prior`, B `perceptual`, C `decoder_in_both`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Count, Fraction, NonNegative, Positive
from advcodes.methods.autoencoder import Autoencoder, FromPrior, log_codes
from advcodes.methods.base import Conditional, Phase, Step
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
        of_codes = condition if cls.asks != "clusters" else {}  # "class agnostic" (section 3.B.2)
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
        return None if self.asks == "clusters" else self.condition_of(step)

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
            made, real = (self.discriminator.features(x, self.config.features) for x in (made, real))
        adversarial = losses.gan.generator(self.code_discriminator(codes, self.condition_of_codes(step)))
        return {"adversarial": adversarial, "error": error(made, real)}

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


class ConditionalLPAAE(Conditional, LPAAE):
    """What LPAAE with a condition adds: it reaches the code generator and is read back from images (Eq. 7)."""

    def codes_given(self, conditions: Tensor, noise: Tensor) -> Tensor:
        return self.codes_of(noise, self.condition_input(conditions))

    def condition_input(self, conditions: Tensor) -> Tensor:
        """Conditions as networks get them, float [n, ...]."""
        return conditions

    def read(self, images: Tensor) -> Tensor:
        """Q's answer: logits [N, K], or embeddings [N, E]."""
        return self.recogniser(self.discriminator.features(images, "last"))

    def information_of_real(self, step: Step) -> dict[str, Tensor]:
        """L_I on real images, where the dataset itself says what they show."""
        if not self.config.recogniser_sees_real:
            return {}
        return {f"{name}_real": term for name, term in self.information(step, step.images).items()}


class Labelled(ConditionalLPAAE):
    """A condition that is one of K: a class or a cluster, one-hot."""

    @property
    def choices(self) -> int:
        """K."""
        return self.spec.condition_size(self.condition_kind(self.config))

    def conditions(self, n: int, generator: Generator | None = None) -> Tensor:
        import torch

        where = "cpu" if generator is not None else self.device
        return torch.randint(self.choices, (n,), generator=generator, device=where).to(self.device)

    def condition_input(self, conditions: Tensor) -> Tensor:
        from torch.nn.functional import one_hot

        return one_hot(conditions, self.choices).float()

    def labels_of(self, step: Step) -> Tensor:
        """s, int64 [N]."""
        raise self._cannot("draw labels")

    def condition_of(self, step: Step) -> Tensor:
        return self.condition_input(self.labels_of(step))

    def information(self, step: Step, images: Tensor) -> dict[str, Tensor]:
        """L_I, the cross entropy of Q (Eq. 7)."""
        logits, labels = self.read(images), self.labels_of(step)
        seen = "read_real" if images is step.images else "read"
        step.log(seen, lambda: losses.classification.accuracy(logits, labels))
        return {"information": self.config.information_weight * losses.classification.classes(logits, labels)}


class LabelledConfig(LPAAEConfig):
    """Hyperparameters of LPAAE with labels or clusters."""

    information_weight: NonNegative = Field(1.0, description="weight of L_I (Eq. 7); the paper's is 1")


READS_REAL = "Q learns from real images and what is said of them, too; Eq. 7 has generated ones only (assumed)"


@register("lpaae_supervised")
class LPAAESupervised(Labelled):
    """LPAAE conditioned on each image's class (section 3.B.1, figure 4).

    The label goes to the code generator, to the code discriminator (Eq. 8), and is read back from images (Eq. 7).
    Without `learned_prior` it is the AAE of figure 10: code = label and noise, all else the same.
    """

    class Config(LabelledConfig):
        recogniser_sees_real: bool = Field(True, description=READS_REAL)

    asks = "labels"

    @classmethod
    def condition_kind(cls, config: LPAAEConfig) -> str:
        return "classes"

    def labels_of(self, step: Step) -> Tensor:
        return step.labels

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """L_GAN^I for D_I (Eq. 4), and L_I for Q and the layers they share (Eq. 7), on real images, too."""
        return super().discriminate(step) | self.information_of_real(step)


@register("lpaae_unsupervised")
class LPAAEUnsupervised(Labelled):
    """LPAAE whose label is drawn at random (section 3.B.2, figure 5): which images a cluster gets is learned.

    Without `learned_prior` it is the AAE of figure 12. L_I stays in Algorithm 1's place (L-8).
    """

    class Config(LabelledConfig):
        latent_dim: Count = Field(100, description="d (assumed: 10 clusters and 90 numbers of noise)")
        clusters: Count = Field(10, description="values of the categorical distribution")

    asks = "clusters"

    @classmethod
    def condition_kind(cls, config: LPAAEUnsupervised.Config) -> int:
        return config.clusters

    def labels_of(self, step: Step) -> Tensor:
        return step.once("clusters", (), lambda: self.conditions(len(step.images)))


@register("lpaae_text")
class LPAAEText(ConditionalLPAAE):
    """LPAAE conditioned on a caption of each image, as the embedding of a sentence (section 5, figure 4).

    The embedding goes to the code generator and the code discriminator and, since nothing else would tie images to
    sentences but Q, to the image discriminator, too, which also learns that a real image with another image's caption
    is wrong (facts 7.3, L-5; the term is that of Reed et al. 2016). Q regresses the embedding. Samples are
    conditioned on captions that training has seen, unless others are set.
    """

    class Config(LPAAEConfig):
        latent_dim: Count = Field(128, description="d (assumed)")
        noise_dim: Count | None = Field(100, description="numbers of noise, beside the sentence's")
        information_weight: NonNegative = Field(1.0, description="weight of L_I (Eq. 7), here 1 - cosine (assumed)")
        recogniser_sees_real: bool = Field(True, description=READS_REAL)
        discriminator_sees_text: bool = Field(True, description="the image discriminator gets the caption, too (L-5)")
        mismatched_weight: Fraction = Field(
            0.5, description="share of real images with another's caption among the fakes (Reed et al. 2016)"
        )

    asks = "text"
    SEEN: ClassVar[int] = 2048  #: captions that are kept for sampling

    def __init__(self, config: LPAAEText.Config, networks: Mapping[str, nn.Module], spec: DatasetSpec):
        import torch

        super().__init__(config, networks, spec)
        # Until captions have been seen, any direction stands for one.
        self.seen = torch.randn(self.SEEN, spec.text, device=self.device)
        self.newest = 0

    @classmethod
    def condition_kind(cls, config: LPAAEConfig) -> str:
        return "text"

    @classmethod
    def discriminator_options(cls, config: LPAAEText.Config) -> dict[str, Any]:
        return {"condition": "text"} if config.discriminator_sees_text else {}

    def state(self) -> dict[str, Any]:
        return {"seen": self.seen, "newest": self.newest}

    def load_state(self, state: Mapping[str, Any]) -> None:
        self.seen, self.newest = state["seen"].to(self.device), state["newest"]

    def remember(self, text: Tensor) -> None:
        """Keep captions [N, E] in place of the oldest."""
        import torch

        places = torch.arange(self.newest, self.newest + len(text), device=self.seen.device) % self.SEEN
        self.seen[places] = text.float()
        self.newest = (self.newest + len(text)) % self.SEEN

    def conditions(self, n: int, generator: Generator | None = None) -> Tensor:
        import torch

        where = "cpu" if generator is not None else self.device
        return self.seen[torch.randint(self.SEEN, (n,), generator=generator, device=where).to(self.device)]

    def condition_of(self, step: Step) -> Tensor:
        if step.text is None:
            raise AdvcodesError(f"{self.name}: needs a caption of each image, and none are given with this dataset")
        return step.text

    def discriminate_codes(self, step: Step) -> dict[str, Tensor]:
        """L_GAN^C for D_C with the caption: the code generator's codes are real, the encoder's fake (Eq. 8)."""
        self.remember(self.condition_of(step))
        return super().discriminate_codes(step)

    def judged(self, step: Step, images: Tensor, text: Tensor | None = None) -> Tensor:
        if not self.config.discriminator_sees_text:
            return self.discriminator(images)
        return self.discriminator(images, self.condition_of(step) if text is None else text)

    def read(self, images: Tensor) -> Tensor:
        if not self.config.discriminator_sees_text:
            return super().read(images)
        # Conditioned on the caption, Q would only have to repeat it.
        nothing = images.new_zeros(len(images), self.spec.text)
        return self.recogniser(self.discriminator.features(images, "last", nothing))

    def information(self, step: Step, images: Tensor) -> dict[str, Tensor]:
        """L_I as 1 - cosine between Q's embedding and the caption's (Eq. 7, L-5: assumed)."""
        return {
            "information": self.config.information_weight
            * losses.codes.cosine_distance(self.read(images), self.condition_of(step))
        }

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """L_GAN^I for D_I with the caption (Eq. 4), with mismatched captions as fakes, and L_I for Q (Eq. 7)."""
        terms = super().discriminate(step) | self.information_of_real(step)
        share = self.config.mismatched_weight
        if self.config.discriminator_sees_text and share:
            wrong = self.judged(step, step.images, self.condition_of(step).roll(1, 0))
            terms["fake"] = (1 - share) * terms["fake"]
            terms["mismatched"] = share * losses.gan.discriminator_fake(wrong)
        return terms
