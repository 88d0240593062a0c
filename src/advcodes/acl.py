"""The ACL module (Yuan et al., section 3.2) for any model that has codes: it learns to draw codes like a model's own.

The methods of :mod:`advcodes.methods.acl` use this very class inside the training loop; with a model of your own,
call :meth:`AdversarialCodeLearning.step` on each batch of its codes.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Literal

import torch
from torch import Generator, Tensor, nn

from advcodes.core.errors import AdvcodesError, unknown
from advcodes.losses import gan, hinge, wasserstein
from advcodes.nets.code import CodeDiscriminator, CodeGenerator
from advcodes.nets.config import CodeNets
from advcodes.nets.spec import DatasetSpec

GAMES = {"gan": gan, "hinge": hinge, "wgan_gp": wasserstein}
PENALTY = 10.0  #: weight of the gradient penalty (facts 5.2)


class AdversarialCodeLearning(nn.Module):
    """A code generator G_z and a code discriminator D_c that learn the distribution of codes (ACL Eq. 1).

    >>> acl = AdversarialCodeLearning(latent_dim=10)
    >>> for x in batches:
    ...     c = encoder(x)  # your model trains as it always did
    ...     acl.step(c)  # one round of the code game; no gradient reaches the encoder
    >>> images = decoder(acl.sample(64))

    Args:
        latent_dim: d, size of a code.
        width: units of the hidden layers of G_z and D_c (assumed, facts 5.9).
        hidden_layers: their number: the paper's "2-layer MLP" can mean one or two (ACL-8).
        game: ``gan`` (Eq. 1, non-saturating), ``hinge``, or ``wgan_gp`` (penalty 10).
        learning_rates: of G_z and of D_c; the discriminator must not be the slower one.
        networks: G_z and D_c of your own, in place of the MLPs: [N, d] to [N, d], and [N, d] to logits [N].

    Raises:
        AdvcodesError: unknown game.
    """

    def __init__(
        self,
        latent_dim: int,
        *,
        width: int = 512,
        hidden_layers: int = 1,
        game: Literal["gan", "hinge", "wgan_gp"] = "gan",
        learning_rates: tuple[float, float] = (2e-4, 1e-3),
        networks: tuple[nn.Module, nn.Module] | None = None,
    ):
        super().__init__()
        if game not in GAMES:
            raise unknown("game of codes", game, GAMES)
        self.latent_dim, self.game, self.learning_rates = latent_dim, game, learning_rates
        if networks is None:
            settings = SimpleNamespace(code=CodeNets(width=width, hidden_layers=hidden_layers))
            networks = tuple(net(settings, DatasetSpec(), latent_dim) for net in (CodeGenerator, CodeDiscriminator))
        self.code_generator, self.code_discriminator = networks
        self._optimisers: tuple[torch.optim.Optimizer, ...] = ()

    def discriminator_loss(self, codes: Tensor, generated: Tensor) -> dict[str, Tensor]:
        """ACL Eq. 1 for D_c, to be minimised: named scalar terms.

        Real codes are its fixed target ("assume p_c(c) is fixed", section 3.2): both batches [N, d] are detached.
        """
        codes, generated = codes.detach(), generated.detach()
        loss, (real, fake) = GAMES[self.game], self.judged(codes, generated)
        terms = {"real": loss.discriminator_real(real), "fake": loss.discriminator_fake(fake)}
        if self.game == "wgan_gp":
            penalty = wasserstein.gradient_penalty(self.code_discriminator.forward, codes, generated)
            terms["penalty"] = PENALTY * penalty
        return terms

    def generator_loss(self, generated: Tensor) -> Tensor:
        """ACL Eq. 1 for G_z on its codes [N, d], to be minimised: non-saturating (facts 7.1, ACL-3)."""
        return GAMES[self.game].generator(self.code_discriminator(generated))

    def accuracy(self, codes: Tensor, generated: Tensor) -> Tensor:
        """Share of the two batches [N, d] that D_c tells right, in [0, 1]."""
        with torch.no_grad():
            return GAMES[self.game].accuracy(*self.judged(codes, generated))

    def judged(self, codes: Tensor, generated: Tensor) -> tuple[Tensor, Tensor]:
        """Logits [N] of both batches."""
        return self.code_discriminator(codes), self.code_discriminator(generated)

    def step(self, codes: Tensor) -> dict[str, Tensor]:
        """One Adam step of D_c, then one of G_z, towards a batch of codes [N, d] (Algorithm 1, line 13).

        Returns:
            The losses ``discriminator`` and ``generator``: scalar tensors on the device.

        Raises:
            AdvcodesError: codes of another shape.
        """
        if codes.ndim != 2 or codes.shape[1] != self.latent_dim:
            raise AdvcodesError(f"codes: expected shape [N, {self.latent_dim}], got {list(codes.shape)}")
        if not self._optimisers:
            nets = (self.code_generator, self.code_discriminator)
            self._optimisers = tuple(
                torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.999))
                for net, lr in zip(nets, self.learning_rates, strict=True)
            )
        generated = self.code_generator(self.noise(len(codes)))
        losses = {}
        for player, optimiser in zip(("discriminator", "generator"), reversed(self._optimisers), strict=True):
            if player == "discriminator":
                loss = torch.stack([*self.discriminator_loss(codes, generated).values()]).sum()
            else:
                loss = self.generator_loss(generated)
            (group,) = optimiser.param_groups
            for p, gradient in zip(group["params"], torch.autograd.grad(loss, group["params"]), strict=True):
                p.grad = gradient
            optimiser.step()
            losses[player] = loss.detach()
        return losses

    def noise(self, n: int, generator: Generator | None = None) -> Tensor:
        """z ~ N(0, I): [n, d] on the module's device, drawn on the CPU if ``generator`` is given."""
        device = next(self.parameters()).device
        return torch.randn(n, self.latent_dim, device=None if generator else device, generator=generator).to(device)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """``n`` new codes G_z(z), [n, d], for the model's decoder."""
        return self.code_generator(self.noise(n, generator))
