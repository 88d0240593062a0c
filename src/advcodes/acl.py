"""The ACL module (Yuan et al., section 3.2) for any model that has codes: it learns to draw codes like a model's own.

The methods of :mod:`advcodes.methods.acl` use this very class inside the training loop; with a model of your own,
call :meth:`AdversarialCodeLearning.step` on each batch of its codes.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from numbers import Integral
from types import SimpleNamespace
from typing import Any, Literal

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

    Its ``state_dict`` holds Adam's moments beside the weights: a game that goes on from one is bitwise the
    uninterrupted one. A ``state_dict`` without them is read, too, and Adam begins anew.

    The game is played in the precision of the module's own weights, under autocast, too, and needs no scaler of
    gradients. No gradient stays behind in its parameters, so an optimiser of yours that has them, too, leaves them as
    they are.

    Args:
        latent_dim: d, size of a code, at least 1.
        width: units of the hidden layers of G_z and D_c (assumed, facts 5.9).
        hidden_layers: their number: the paper's "2-layer MLP" can mean one or two (ACL-8).
        game: ``gan`` (Eq. 1, non-saturating), ``hinge``, or ``wgan_gp`` (penalty 10).
        learning_rates: of G_z and of D_c; the discriminator must not be the slower one.
        networks: G_z and D_c of your own, compiled or not, in place of the MLPs: [N, d] to [N, d], and [N, d] to
            logits [N].

    Raises:
        AdvcodesError: unknown game, or a ``latent_dim`` that is no whole number from 1 on.
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
        if not isinstance(latent_dim, int | Integral) or latent_dim < 1:
            raise AdvcodesError(f"latent_dim: expected at least 1, the size of your model's codes, got {latent_dim!r}")
        self.latent_dim, self.game, self.learning_rates = latent_dim, game, learning_rates
        if networks is None:
            settings = SimpleNamespace(code=CodeNets(width=width, hidden_layers=hidden_layers))
            points = DatasetSpec()
            networks = CodeGenerator(settings, points, latent_dim), CodeDiscriminator(settings, points, latent_dim)
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
            # Of the network as it is: compiled ones have no second derivatives.
            critic = getattr(self.code_discriminator, "_orig_mod", self.code_discriminator)
            penalty = wasserstein.gradient_penalty(critic.forward, codes, generated)
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

        The codes may require gradients: they are detached, and nothing of your model is changed. They may be of any
        floating type, and the call may stand under ``no_grad``, inference mode or autocast.

        Returns:
            The losses ``discriminator`` and ``generator``: scalar tensors on the device.

        Raises:
            AdvcodesError: codes of another shape or on another device, no codes, or codes that are no finite floats;
                networks that are frozen, or give other shapes than they should. No step is made then.
        """
        weight = next(self.parameters())
        with (
            torch.inference_mode(False),
            torch.enable_grad(),
            torch.autocast(weight.device.type, enabled=False),
        ):
            # What was made in inference mode cannot be learned from, a copy can.
            codes = codes.detach().clone() if codes.is_inference() else codes.detach()
            self._check(codes, weight)
            self._begin()
            return self._round(codes.to(weight.dtype))

    def _check(self, codes: Tensor, weight: Tensor) -> None:
        """See that a batch of codes can be learned from."""
        if codes.ndim != 2 or codes.shape[1] != self.latent_dim:
            raise AdvcodesError(f"codes: expected shape [N, {self.latent_dim}], got {list(codes.shape)}")
        if not len(codes):
            raise AdvcodesError("codes: the batch is empty; skip the step")
        if not codes.is_floating_point():
            raise AdvcodesError(f"codes: expected floats, got {codes.dtype}")
        if codes.device != weight.device:
            raise AdvcodesError(
                f"codes: on {codes.device}, the module on {weight.device}; move it: acl.to(codes.device)"
            )
        if not torch.isfinite(codes).all():
            bad = int((~torch.isfinite(codes)).any(1).sum())
            raise AdvcodesError(
                f"codes: {bad} of {len(codes)} are not finite (NaN or infinite); your model has diverged: lower its "
                "learning rate, or skip such batches"
            )
        if not all(p.requires_grad for p in self.parameters()):
            raise AdvcodesError(
                "the networks of the code game are frozen (requires_grad is False); thaw them: acl.requires_grad_()"
            )

    def _round(self, codes: Tensor) -> dict[str, Tensor]:
        """A step of each player."""
        generated = self.code_generator(self.noise(len(codes)))
        if generated.shape != codes.shape:
            raise AdvcodesError(f"networks: G_z gives {list(generated.shape)}, expected {list(codes.shape)}")
        losses = {}
        for player, optimiser in zip(("discriminator", "generator"), reversed(self._optimisers), strict=True):
            if player == "discriminator":
                loss = torch.stack([*self.discriminator_loss(codes, generated).values()]).sum()
            else:
                loss = self.generator_loss(generated)
            (group,) = optimiser.param_groups
            before = [p.grad for p in group["params"]]
            for p, gradient in zip(group["params"], torch.autograd.grad(loss, group["params"]), strict=True):
                p.grad = gradient
            optimiser.step()
            for p, gradient in zip(group["params"], before, strict=True):
                p.grad = gradient
            losses[player] = loss.detach()
        return losses

    def _begin(self) -> None:
        """Adam for G_z and for D_c: at the first step, when the networks are where they will be trained."""
        if not self._optimisers:
            self._optimisers = self._fresh_optimisers()

    def _fresh_optimisers(self) -> tuple[torch.optim.Optimizer, ...]:
        nets = (self.code_generator, self.code_discriminator)
        return tuple(
            torch.optim.Adam(net.parameters(), lr, betas=(0.5, 0.999))
            for net, lr in zip(nets, self.learning_rates, strict=True)
        )

    def get_extra_state(self) -> list[dict[str, Any]]:
        """Copies of both optimisers' states (G_z's, D_c's), for ``state_dict``; none before the first step."""
        return [copy.deepcopy(optimiser.state_dict()) for optimiser in self._optimisers]

    def set_extra_state(self, state: list[dict[str, Any]]) -> None:
        """Inverse of :meth:`get_extra_state`."""
        self._optimisers = self._fresh_optimisers() if state else ()
        for optimiser, saved in zip(self._optimisers, state, strict=True):
            optimiser.load_state_dict(copy.deepcopy(saved))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *args: Any) -> None:
        # Weights alone, as older versions saved them, are a whole state of a game that begins anew.
        state_dict.setdefault(f"{prefix}_extra_state", [])
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> AdversarialCodeLearning:
        """Bring Adam's moments along, where the module moves (``to``, ``cuda``)."""
        super()._apply(fn, recurse)
        for optimiser in self._optimisers:
            for moments in optimiser.state.values():
                for name in ("exp_avg", "exp_avg_sq"):
                    moments[name] = fn(moments[name])
        return self

    def noise(self, n: int, generator: Generator | None = None) -> Tensor:
        """z ~ N(0, I): [n, d] on the module's device, drawn on the CPU if ``generator`` is given."""
        weight = next(self.parameters())
        where = None if generator else weight.device
        return torch.randn(n, self.latent_dim, device=where, generator=generator).to(weight)

    @torch.no_grad()
    def sample(self, n: int, generator: Generator | None = None) -> Tensor:
        """``n`` new codes G_z(z), [n, d], for the model's decoder.

        Batch norm, where a G_z of your own has it, uses its running statistics and leaves them as they are.
        """
        device = next(self.parameters()).device.type
        with _evaluating(self.code_generator), torch.autocast(device, enabled=False):
            return self.code_generator(self.noise(n, generator))


@contextlib.contextmanager
def _evaluating(net: nn.Module) -> Iterator[None]:
    """A network in evaluation mode; afterwards each of its modules is as before."""
    training = [m for m in net.modules() if m.training]
    net.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
