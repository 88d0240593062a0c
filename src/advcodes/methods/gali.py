"""Generalized adversarially learned inference (GALI, Dandi et al.): many classes of tuples (facts 5.17)."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, field_validator, model_validator

from advcodes import losses
from advcodes.core.schema import NonNegative
from advcodes.methods import masks
from advcodes.methods.ali import ALI
from advcodes.methods.autoencoder import log_codes
from advcodes.methods.base import Optimiser, Pretrained, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import Net

if TYPE_CHECKING:
    from torch import Tensor

Tuple = Annotated[list[str], Field(min_length=2)]
#: What a word is, by its beginning and by what follows.
KINDS = {"x": "image", "mix": "image", "z": "code", "G": "image", "E": "code", "M": "features"}
#: GALI-4 in the published code's order (facts 7.5, G-1).
FOUR = [["x", "Ex"], ["x", "EGEx"], ["Gz", "z"], ["GEGz", "z"]]


def kind(word: str) -> str:
    """What a word of a tuple stands for: ``image``, ``code`` or ``features``.

    Words are the paper's terms without brackets: ``x`` a real image, ``z`` noise, ``Ex`` its code E(x), ``GEx`` that
    one's image G(E(x)), and so on along both chains (GALI figure 1a); ``mix`` is x with the missing piece taken from
    ``GEx`` (figure 2), and ``Mx`` are features of x by a pretrained network.

    Raises:
        ValueError: it is no such word.
    """
    terms = re.fullmatch(r"(M?)(E?(?:GE)*(?:x|mix)|G?(?:EG)*z)", word)
    if not terms or (terms[1] and kind(terms[2]) != "image"):
        raise ValueError(
            f"{word!r} is no word of the chains; expected x, z or mix behind alternating E and G (Ex, GEx, Gz, EGz), "
            "with M before an image for its features (Mx, MGz)"
        )
    return KINDS["mix" if word == "mix" else word[0]]


@register("gali")
class GALI(ALI):
    """GALI-n: a discriminator tells n classes of tuples apart, and encoder and generator make all of them alike.

    ``tuples`` lists the classes, of images, codes and features from the two chains (see :func:`kind`): ALI's two are
    [[x, Ex], [Gz, z]], and the default is GALI-4. Each word is made once a step, and so its noise and its mask are the
    same in all tuples. With ``masked``, every image loses a piece on its way into the encoder: with the classes of
    ``mix`` this is GALI-MIX.
    """

    class Config(ALI.Config):
        tuples: Annotated[list[Tuple], Field(min_length=2)] = Field(
            FOUR, description="the classes; each has the same number of images, codes and features"
        )
        objective: Literal["product", "minimax", "misclassification"] = Field(
            "product",
            description="of encoder and generator: the product of terms (Eq. 4), or the two that the paper argues "
            "against for their vanishing gradients (Eq. 2, and the likelihood of any wrong class)",
        )
        adversarial: Literal["nonsaturating"] = Field("nonsaturating", description="see `objective`")
        pretrained: Pretrained = Field(
            "features",
            description="M of `Mx` and of `feature_weight`: the network of the feature-MSE (the paper's on SVHN), or "
            "the one that the FID is computed on (CelebA)",
        )
        feature_weight: NonNegative = Field(
            0.0,
            description="of the mean squared error between M(x) and M(G(E(x))), which encoder and generator minimise, "
            "too: what the paper compares GALI-PT with (its weight assumed 1)",
        )
        published_weights: bool = Field(
            False,
            description="weigh the first cross entropy of the discriminator's sum by 0.5 and of the other one by 1/6, "
            "as the published GALI-4 does, it seems by mistake (G-3); false: the paper's equal weights",
        )
        instance_noise: NonNegative = Field(
            0.1,
            description="standard deviation of noise on every image that enters the discriminator, falling to 0 in a "
            "line over the run",
        )
        optimiser: Optimiser = Optimiser(lr=2e-4)

        @field_validator("tuples")
        @classmethod
        def _words(cls, tuples: list[list[str]]) -> list[list[str]]:
            counts = [Counter(map(kind, words)) for words in tuples]
            for words, count in zip(tuples, counts, strict=True):
                said = f"[{', '.join(words)}]"
                if not (count["image"] and count["code"]):
                    raise ValueError(f"{said} lacks {'a code' if count['image'] else 'an image'}; each tuple has both")
                if count != counts[0]:
                    raise ValueError(
                        f"{said} has other kinds of words than [{', '.join(tuples[0])}]; one discriminator sees all, "
                        "so give each as many images, codes and features"
                    )
            if len(set(map(tuple, tuples))) < len(tuples):
                raise ValueError("the same tuple stands there twice; two classes of it cannot be told apart")
            return tuples

        @model_validator(mode="after")
        def _mixed(self) -> GALI.Config:
            if not self.masked and any(word.endswith("mix") for words in self.tuples for word in words):
                raise ValueError("tuples: `mix` is an image whose missing piece was filled in: set `masked: true`")
            return self

    @classmethod
    def nets(cls, config: GALI.Config) -> dict[str, Net]:
        count = Counter(map(kind, config.tuples[0]))
        sizes = {"outputs": len(config.tuples), "images": count["image"], "codes": count["code"]}
        if count["features"]:
            sizes["features"] = count["features"]
        return {**super().nets(config), "discriminator": Net("tuple_discriminator", sizes)}

    @classmethod
    def pretrained(cls, config: GALI.Config) -> Pretrained | None:
        in_tuples = any(word.startswith("M") for words in config.tuples for word in words)
        return config.pretrained if in_tuples or config.feature_weight else None

    # -- words --------------------------------------------------------------------------------------------------

    def word(self, step: Step, word: str) -> Tensor:
        """What a word stands for in this step, the same wherever it stands."""
        if word == "x":
            return step.images
        if word == "z":
            return step.once("z", (), lambda: self.noise(len(step.images)))
        if word == "mix":
            filling, mask = self.word(step, "GEx"), self.mask(step, "x")
            return step.once("mix", ("encoder", "generator"), lambda: masks.mixed(step.images, filling, mask))
        of = self.word(step, word[1:])
        if word[0] == "G":
            return step.once(word, ("generator",), lambda: self.generator(of))
        if word[0] == "M":  # its own weights never change, but a gradient goes through to the image
            return step.once(word, ("encoder", "generator"), lambda: self.known_features(of))
        missing = self.mask(step, word[1:]) if self.config.masked else None
        return step.once(word, ("encoder",), lambda: self.drawn_code(of, missing))

    def mask(self, step: Step, word: str) -> Tensor:
        """What the encoder misses of an image in this step."""
        return step.once(f"mask of {word}", (), lambda: self.drawn_mask(step.images))

    def logits(self, step: Step, detach: bool) -> list[Tensor]:
        """The discriminator's [N, n] of each class of tuples in order.

        Args:
            step: of the loop.
            detach: let no gradient through to what the tuples are made of.
        """
        import torch

        wanted = [k for k in ("image", "code", "features") if k in map(kind, self.config.tuples[0])]

        def joined(words: list[str], wanted: str) -> Tensor:
            """A tuple's words of one kind: [N, ...], or [N, k, ...] of several."""
            parts = [self.word(step, w).float() for w in words if kind(w) == wanted]
            parts = [p.detach() if detach else p for p in parts]
            parts = [self.seen(step, p) for p in parts] if wanted == "image" else parts
            return parts[0] if len(parts) == 1 else torch.stack(parts, 1)

        classes = [[joined(words, k) for k in wanted] for words in self.config.tuples]
        if not self.config.joined:
            return [self.discriminator(*parts) for parts in classes]
        logits = self.discriminator(*(torch.cat(parts) for parts in zip(*classes, strict=True)))
        return list(logits.split(len(step.images)))

    # -- the game -----------------------------------------------------------------------------------------------

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """The discriminator: cross entropy of each class of tuples with itself (Eq. 3)."""
        logits = self.logits(step, detach=True)
        step.log("accuracy", lambda: losses.tuples.accuracy(logits))
        if any("Ex" in words for words in self.config.tuples):
            log_codes(step, self.word(step, "Ex").detach(), self.word(step, "z"))
        weights = [0.5 if self.config.published_weights and own == 0 else 1.0 for own in range(len(logits))]
        return {
            name: weight * losses.tuples.right(of_class, own)
            for own, (name, of_class, weight) in enumerate(zip(self._names(), logits, weights, strict=True))
        }

    def infer(self, step: Step) -> dict[str, Tensor]:
        """Encoder and generator: each class of tuples shall be taken for every other one (Eq. 4)."""
        logits = self.logits(step, detach=False)
        terms = {}
        for own, (name, of_class) in enumerate(zip(self._names(), logits, strict=True)):
            if self.config.objective == "product":
                first = 1 / 6 if self.config.published_weights and own == 0 else 1.0
                terms[name] = losses.tuples.every_wrong(of_class, own, first)
            elif self.config.objective == "minimax":
                terms[name] = losses.tuples.minimax(of_class, own)
            else:
                terms[name] = losses.tuples.misclassified(of_class, own)
        step.log("gradient", lambda: self._gradient(logits, list(terms.values())))
        if weight := self.config.feature_weight:
            again, known = self.word(step, "MGEx"), self.word(step, "Mx")
            terms["features"] = weight * losses.reconstruction.squared_error(again, known)
        return terms

    @staticmethod
    def _gradient(logits: list[Tensor], terms: list[Tensor]) -> Tensor:
        """Mean norm, over tuples, of the objective's gradient in the logits: what vanishes where D is sure."""
        import torch

        gradients = torch.autograd.grad(sum(terms[1:], terms[0]), logits, retain_graph=True)
        return torch.cat([g.float() * len(g) for g in gradients]).norm(dim=1).mean()

    def _names(self) -> list[str]:
        return ["_".join(words) for words in self.config.tuples]
