"""VampPrior VAE, a baseline of LPAAE's table 1: the prior is a mixture of posteriors of learned pseudo-inputs."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from pydantic import Field

from advcodes import losses
from advcodes.core.errors import AdvcodesError
from advcodes.core.schema import Count, Fraction
from advcodes.methods.autoencoder import VAE, log_codes
from advcodes.methods.base import Phase, Step
from advcodes.methods.registry import register
from advcodes.nets.spec import DatasetSpec, Net

if TYPE_CHECKING:
    from torch import Generator, Tensor, nn
    from torch.nn.modules.batchnorm import _BatchNorm


@register("vampprior")
class VampPrior(VAE):
    """VAE whose prior is learned, p(c) = 1/K Σ q(c|u_k) (Tomczak & Welling 2018, Eq. 9; LPAAE Eq. 3; facts 5.11).

    The pseudo-inputs u_k are parameters. Images follow a discretised logistic around what the decoder gives, with a
    learned scale for each pixel and channel: in the authors' code the decoder gives that, too, but every row of LPAAE's
    table 1 has the same decoder (**assumed**).

    Batch norm, which the authors' VAE does not have: all K pseudo-inputs are encoded together by the statistics of
    their own batch, in training and whenever samples are made; running statistics are those of real images alone
    (**assumed**). The authors' training code would normalise them so, too. By the statistics of real images, their
    codes had nearly one dimension after 500 steps of the residual networks on the digits (one run).
    `sampling.batch_norm` concerns the decoder alone.

    Without pseudo-inputs p(c) is N(0, I), in all else the same: the VAE beside which a learned prior can be judged.

    It differs from the authors' code in more ways. Plain Adam: theirs normalises gradients tensor by tensor. No
    early stopping (patience 50): every row of a table has the same budget. The warm-up grows with each batch, not
    with each epoch, and takes as large a share of the run as theirs of the longest. Samples choose k at random:
    theirs take the first ones. The outer bins of the likelihood take the tails.
    """

    class Config(VAE.Config):
        prior: Literal["normal"] = Field("normal", description="of the noise that draws codes; p(c) is learned")
        likelihood: Literal["logistic", "bernoulli", "gaussian"] = Field(  # type: ignore[assignment]  # VAE has two
            "logistic", description="of pixels given a code: discretised logistic, or one of `vae` (points: gaussian)"
        )
        pseudo_inputs: Count | None = Field(
            500, description="K: components of the prior; null: it is N(0, I), of a VAE that is the same in all else"
        )
        warmup: Fraction = Field(
            0.05,
            description="share of the run until the KL has its whole weight, which grows linearly from 0 (the authors: "
            "100 of up to 2000 epochs); 0: at once",
        )

    sampling_roles: tuple[str, ...] = ("encoder", "pseudo_inputs", "decoder")

    @classmethod
    def nets(cls, config: VampPrior.Config) -> dict[str, Net]:
        nets = super().nets(config)
        if config.pseudo_inputs is not None:
            nets["pseudo_inputs"] = Net("pseudo_inputs", {"count": config.pseudo_inputs})
        return {**nets, "log_scale": Net("log_scale")} if config.likelihood == "logistic" else nets

    @classmethod
    def phases(cls, config: VampPrior.Config) -> list[Phase]:
        return [Phase("evidence", updates=tuple(cls.nets(config)))]

    def __init__(self, config: VampPrior.Config, networks: Mapping[str, nn.Module], spec: DatasetSpec):
        super().__init__(config, networks, spec)
        if config.pseudo_inputs == 1 and _batch_norm(self.encoder):
            raise AdvcodesError(
                f"{self.name}: one pseudo-input has no statistics for batch norm; set `pseudo_inputs` to 2 or more, or "
                "an architecture of family 'mlp'"
            )
        if config.pseudo_inputs is None:
            self.sampling_roles = ("decoder",)

    def warmth(self, progress: float) -> float:
        """Factor on the KL after a share of the run: from 0 to 1."""
        return min(1.0, progress / self.config.warmup) if self.config.warmup else 1.0

    def gaussian(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Mean and log-variance, clamped to [-6, 2], of q(c|x), each [N, d]."""
        mean, log_variance = self.encoder(x).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-6, 2)

    def posterior(self, x: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_variance = self.gaussian(x)
        return mean, (log_variance / 2).exp()

    def components(self) -> tuple[Tensor, Tensor]:
        """Mean and log-variance of q(c|u_k), each [K, d]; without pseudo-inputs of N(0, I), each [1, d]."""
        if self.config.pseudo_inputs is None:
            import torch

            standard = torch.zeros(1, self.config.latent_dim, device=self.device)
            return standard, standard
        with _own_statistics(self.encoder):
            return self.gaussian(self.pseudo_inputs())

    def evidence(self, step: Step) -> dict[str, Tensor]:
        """The evidence lower bound, negated: -E[log p(x|c)] + KL(q(c|x) || p(c)), in nats per image.

        The KL is estimated from the one code that is drawn for each image.
        """
        mean, log_variance = self.gaussian(step.images)
        components = self.components()
        codes = mean + (log_variance / 2).exp() * self.noise(len(mean))
        likelihood = self.negative_log_likelihood(self.decoder(codes), step.images)
        log_prior = losses.variational.log_mixture(codes, *components)
        kl = losses.variational.sampled_kl(codes, mean, log_variance, log_prior)
        warmth = self.warmth(step.progress)
        log_codes(step, codes, self._drawn(components, len(mean)))
        step.log("bound", lambda: likelihood + kl)
        step.log("warmth", lambda: kl.new_tensor(warmth))
        step.log("active_units", lambda: losses.variational.active_units(mean))
        return {"likelihood": likelihood, "kl": self.config.kl_weight * warmth * kl}

    def negative_log_likelihood(self, reconstruction: Tensor, x: Tensor) -> Tensor:
        if self.config.likelihood != "logistic":
            return super().negative_log_likelihood(reconstruction, x)
        return losses.variational.logistic(self.unit(reconstruction), self.log_scale(), self.unit(x))

    def codes(self, n: int, generator: Generator | None = None) -> Tensor:
        """What is decoded into samples, [n, d]: k is uniform, then c ~ q(c|u_k)."""
        return self._drawn(self.components(), n, generator)

    def _drawn(self, components: tuple[Tensor, Tensor], n: int, generator: Generator | None = None) -> Tensor:
        import torch

        means, log_variances = components
        where = means.device if generator is None else "cpu"
        k = torch.randint(len(means), (n,), generator=generator, device=where).to(means.device)
        return means[k] + (log_variances[k] / 2).exp() * self.noise(n, generator)


def _batch_norm(network: nn.Module) -> list[_BatchNorm]:
    from torch.nn.modules.batchnorm import _BatchNorm

    return [m for m in network.modules() if isinstance(m, _BatchNorm)]


@contextlib.contextmanager
def _own_statistics(network: nn.Module) -> Iterator[None]:
    """Batch norm normalises by its batch and leaves running statistics as they are; all else (dropout) is untouched."""
    layers = [(m, m.training, m.track_running_stats) for m in _batch_norm(network)]
    try:
        for layer, _, _ in layers:
            layer.training, layer.track_running_stats = True, False
        yield
    finally:
        for layer, training, tracked in layers:
            layer.training, layer.track_running_stats = training, tracked
