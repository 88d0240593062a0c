"""Adversarially learned inference (ALI, Dumoulin et al. 2017) and ALICE (Li et al. 2017), which adds reconstruction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.schema import Count, NonNegative, Real
from advcodes.methods import masks
from advcodes.methods.autoencoder import log_codes
from advcodes.methods.base import Method, MethodConfig, Optimiser, Phase, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import Net

if TYPE_CHECKING:
    from torch import Generator, Tensor

    Pair = tuple[Tensor, Tensor]  #: images [N, C, H, W] and codes [N, d]


@register("ali")
class ALI(Method):
    """ALI: a discriminator tells pairs (x, E(x)) from (G(z), z), and encoder and generator unite them (facts 5.15).

    In training a code is drawn from N(mu, sigma²), with mu and log sigma from the encoder; otherwise it is mu. All
    players' gradients are taken at the same parameters, on the same pairs. Encoder and generator minimise the cross
    entropy with exchanged labels.
    """

    class Config(MethodConfig):
        architecture: str = Field("ali", description="name under `architectures` that builds the networks")
        latent_dim: Count = Field(256, description="d: size of codes; ALI's for CIFAR-10 is 64")
        prior: Literal["normal", "uniform"] = Field("normal", description="N(0, I) or uniform on [-1, 1]^d")
        stochastic_encoder: bool = Field(
            True, description="codes are drawn from the encoder's N(mu, sigma²) in training; false: it gives one code"
        )
        adversarial: Literal["nonsaturating", "linear"] = Field(
            "nonsaturating",
            description="loss of encoder and generator: cross entropy with exchanged labels, or linear in the "
            "discriminator's probability, as ALICE's code has it",
        )
        joined: bool = Field(
            True,
            description="the discriminator sees both kinds of pairs as one batch, with batch-norm statistics in common "
            "(ALI's code); false: one after the other (ALICE's)",
        )
        simultaneous: bool = Field(
            True, description="all gradients at the same parameters (ALI); false: the discriminator is stepped first"
        )
        discriminator_steps: Count = Field(
            1, description="discriminator steps for one of encoder and generator, each on a batch of its own"
        )
        instance_noise: NonNegative = Field(
            0.0,
            description="standard deviation of noise on every image that enters the discriminator, falling to 0 in a "
            "line over the run (GALI: 0.1)",
        )
        masked: bool = Field(
            False,
            description="the encoder sees images with a rectangle missing, a new one each time, so that it can inpaint "
            "(GALI's masked baselines, GALI-MIX)",
        )
        inpaints: bool = Field(
            False,
            description="it inpaints without `masked`, too, by an encoder that has seen whole images alone (GALI-4 "
            "without self-supervision)",
        )
        mask_fill: Real = Field(
            masks.FILL, description="of missing pixels, on a scale where images are on [-1, 1] (G-5: as in training)"
        )
        optimiser: Optimiser = Optimiser(lr=1e-4)

    sampling_roles = ("generator",)
    snapshot_roles = ("encoder",)

    @classmethod
    def nets(cls, config: Any) -> dict[str, Net]:
        return {
            "encoder": Net("encoder", {"outputs": 2} if config.stochastic_encoder else {}),
            "generator": Net("generator"),
            "discriminator": Net("joint_discriminator"),
        }

    @classmethod
    def phases(cls, config: ALI.Config) -> list[Phase]:
        return [
            Phase("discriminate", ("discriminator",), joint=config.simultaneous),
            Phase("infer", ("encoder", "generator"), every=config.discriminator_steps),
        ]

    def initialise(self, images: Tensor) -> None:
        """Let the generator start from the mean image, where its network can (family `ali`)."""
        if start := getattr(self.generator, "start_from", None):
            start(images)

    # -- codes ------------------------------------------------------------------------------------------------

    def encode(self, x: Tensor) -> Tensor:
        return self.encoder(x).chunk(2, dim=1)[0] if self.config.stochastic_encoder else self.encoder(x)

    def drawn_code(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """E(x) as training has it, [N, d]: mu + exp(log sigma) * noise where the encoder is stochastic.

        Args:
            x: images [N, C, H, W].
            mask: what is missing of them, [N, 1, H, W], for a method whose encoder sees them masked; drawn if None.
        """
        if self.config.masked:
            x = self.occluded(x, self.drawn_mask(x) if mask is None else mask)
        if not self.config.stochastic_encoder:
            return self.encoder(x)
        import torch

        mean, log_sd = self.encoder(x).float().chunk(2, dim=1)
        return mean + log_sd.exp() * torch.randn_like(mean)

    def drawn_mask(self, x: Tensor) -> Tensor:
        """A rectangle for each image, bool [N, 1, H, W]: height, width and place at random (facts 5.17, G-6)."""
        return masks.draw(len(x), self.spec.shape, device=x.device)

    def occluded(self, x: Tensor, mask: Tensor) -> Tensor:
        """Images as a masked encoder sees them."""
        return masks.occlude(x, mask, self.spec.value_range, self.config.mask_fill)

    @classmethod
    def can(cls, ability: str, config: ALI.Config | None = None) -> bool:
        unable = ability == "inpaint" and config is not None and not (config.masked or config.inpaints)
        return super().can(ability, config) and not unable

    def inpaint(self, x: Tensor, mask: Tensor) -> Tensor:
        if not self.can("inpaint", self.config):
            raise self._cannot("inpaint")
        return masks.mixed(x, self.decode(self.encode(self.occluded(x, mask))), mask)

    def represent(self, x: Tensor) -> Tensor:
        """The encoder's last three hidden layers before their activations, and the code (facts 6.7): [N, F]."""
        import torch

        from advcodes.nets.common import hidden_layers

        code, hidden = hidden_layers(self.encoder, x, last=3)
        return torch.cat([*hidden, code.chunk(2, dim=1)[0] if self.config.stochastic_encoder else code], 1)

    def decode(self, c: Tensor) -> Tensor:
        return self.generator(c)

    def reconstruct(self, x: Tensor) -> Tensor:
        return self.decode(self.encode(x))

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        """What is decoded into samples, [n, d]: noise."""
        return self.noise(n, generator)

    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        return self.decode(self.codes(n, generator))

    # -- the game ---------------------------------------------------------------------------------------------

    def inferred(self, step: Step) -> Pair:
        """(x, E(x)), the same in both phases."""
        return step.images, step.once("inferred", ("encoder",), lambda: self.drawn_code(step.images))

    def generated(self, step: Step) -> Pair:
        """(G(z), z), the same in both phases."""
        z = step.once("noise", (), lambda: self.noise(len(step.images)))
        return step.once("generated", ("generator",), lambda: self.generator(z)), z

    def seen(self, step: Step, images: Tensor) -> Tensor:
        """Images as they enter the discriminator: with the noise of this moment of the run, new each time."""
        if not self.config.instance_noise:
            return images
        import torch

        return images + self.config.instance_noise * (1 - step.progress) * torch.randn_like(images)

    def judged(self, step: Step, *pairs: Pair) -> list[Tensor]:
        """The discriminator's logits of each of several batches of pairs, [N] (or [N, outputs])."""
        noisy = [(self.seen(step, x), z) for x, z in pairs]
        if not self.config.joined:
            return [self.discriminator(x, z) for x, z in noisy]
        import torch

        x, z = (torch.cat(parts) for parts in zip(*noisy, strict=True))
        return list(self.discriminator(x, z).split([len(z) for _, z in noisy]))

    def discriminate(self, step: Step) -> dict[str, Tensor]:
        """The discriminator: binary cross entropy, pairs (x, E(x)) 1, pairs (G(z), z) 0."""
        pairs = [(x.detach(), z.detach()) for x, z in (self.inferred(step), self.generated(step))]
        inferred, generated = self.judged(step, *pairs)
        step.log("accuracy", lambda: losses.gan.accuracy(inferred, generated))
        log_codes(step, pairs[0][1], pairs[1][1])
        return {
            "inferred": losses.gan.discriminator_real(inferred),
            "generated": losses.gan.discriminator_fake(generated),
        }

    def infer(self, step: Step) -> dict[str, Tensor]:
        """Encoder and generator: the discriminator shall take each kind of pair for the other."""
        inferred, generated = self.judged(step, self.inferred(step), self.generated(step))
        if self.config.adversarial == "linear":
            return {
                "inferred": losses.probability.lower(inferred),
                "generated": losses.probability.generator(generated),
            }
        return {"inferred": losses.gan.discriminator_fake(inferred), "generated": losses.gan.generator(generated)}


@register("alice")
class ALICE(ALI):
    """ALI whose encoder and generator shall be each other's inverse, too (facts 5.16).

    GALI's baseline adds the squared error of reconstructions to ALI. The original has absolute errors of images and of
    codes, a deterministic encoder, the linear adversarial loss, and networks that get noise: `cycle: l1`,
    `stochastic_encoder: false`, `adversarial: linear`, `joined: false`, `simultaneous: false`, and an architecture of
    family `alice`.
    """

    class Config(ALI.Config):
        cycle: Literal["l2", "l1"] = Field(
            "l2",
            description="mean squared error of x and G(E(x)) (GALI's ALICE), or mean absolute errors of x and G(E(x)) "
            "and of z and E(G(z)) (the original)",
        )
        cycle_weight: NonNegative = Field(
            1.0, description="its weight, lambda: 1 on SVHN and MNIST, 0.02 on CelebA, 1e-6 on CIFAR-10"
        )

    def infer(self, step: Step) -> dict[str, Tensor]:
        """Encoder and generator: ALI's loss, and the errors after there and back."""
        (x, code), (image, z) = self.inferred(step), self.generated(step)
        terms = super().infer(step)
        if self.config.cycle == "l2":
            return terms | {
                "images": self.config.cycle_weight * losses.reconstruction.squared_error(self.generator(code), x)
            }
        return terms | {
            "images": self.config.cycle_weight * losses.absolute.error(self.generator(code), x),
            "codes": self.config.cycle_weight * losses.absolute.error(self.drawn_code(image), z),
        }
