"""Conditional LPAAE: on a class, a cluster, or a sentence (section 4.3)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Count, Fraction, NonNegative
from advcodes.methods.base import Conditional, Step
from advcodes.methods.lpaae import LPAAE, LPAAEConfig
from advcodes.methods.registry import register
from advcodes.nets.spec import DatasetSpec

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn


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

    conditioned_on = "labels"

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

    conditioned_on = "clusters"

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

    conditioned_on = "text"
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
