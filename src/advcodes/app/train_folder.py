"""Train on anyone's own images without editing a file: `advcodes train --data my_folder --method acl_gan`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from advcodes.config.params import merge, resolve
from advcodes.core.errors import AdvcodesError
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.methods import registry

AFFECTS_RESULTS = False


def settings_for(data: Path, method: str, size: int, images: int, seed: int, settings: list[str]) -> dict[str, Any]:
    """A whole params tree for one run on a folder of images.

    Args:
        data: folder or zip of images.
        method: registered method.
        size: side of the square images.
        images: training length.
        seed: of the run.
        settings: ``key.path=value`` overrides, values in YAML.

    Raises:
        AdvcodesError: unknown method, or a setting that is not ``key=value``.
    """
    tree: dict[str, Any] = {
        "scale": "laptop",
        "items": [],
        "seeds": [seed],
        "budget": {"default": {"images": images}},
        "datasets": {"images": {"source": "folder", "path": str(data), "size": size}},
        "architectures": {"infogan": {"family": "infogan", "bn_momentum": 0.1}, "mlp": {"family": "mlp"}},
        "variants": {registry.method(method).name: {"method": method}},
    }
    for setting in settings:
        path, equals, value = setting.partition("=")
        if not equals:
            raise AdvcodesError(f"--set {setting}: expected KEY=VALUE, as in training.batch_size=32")
        node: Any = yaml.safe_load(value)
        for part in reversed(path.split(".")):
            node = {part: node}
        tree = merge(tree, node)
    return tree


def train_own(
    data: Path,
    method: str,
    out: Path,
    *,
    size: int = 32,
    images: int = 200_000,
    seed: int = 0,
    settings: list[str] | None = None,
) -> Path:
    """Prepare the images, train, and draw a grid of samples for every snapshot (of a method that can sample).

    Everything goes to ``out``: ``prepared/``, ``runs/`` (checkpoints, losses), ``grid_<images seen>.png`` and
    ``samples.png``. Calling it again goes on where it stopped.

    Returns:
        The run's directory, for :func:`advcodes.load`.

    Raises:
        AdvcodesError: bad images, an unknown method or setting.
    """
    from advcodes.build.produce import produce_all
    from advcodes.evaluation.sample import generate
    from advcodes.jobs.device import pick
    from advcodes.pages.pictures.images import grid
    from advcodes.training.restore import restore, snapshots

    tree = settings_for(data, method, size, images, seed, settings or [])
    params = resolve(tree, "command line")
    graph = Graph(params, data=out, reports=out / "reports")
    artifact = graph.train(Run(params.scale, "images", method, seed))
    produce_all(artifact, params)
    if not registry.method(method).can("sample"):
        print(f"{method} cannot sample, so there is no grid\nadvcodes.load({str(artifact.directory)!r})")
        return artifact.directory
    side = params.sampling.grid
    for step, seen in snapshots(artifact.directory):
        restored = restore(artifact.directory, pick(params.machine), step)
        images_ = generate(restored, side * side, params.sampling.model_dump(), seed)
        grid(images_, side, side, out / f"grid_{seen:09d}.png")
    grid(images_, side, side, out / "samples.png")
    print(f"{out / 'samples.png'}\nadvcodes.load({str(artifact.directory)!r})")
    return artifact.directory
