"""What the statistics of batch norm do to images: trained runs, measured with each setting of `sampling.batch_norm`.

    python benchmarks/batch_norm.py                                 # every trained run of the current scale
    python benchmarks/batch_norm.py demo/digits/acl_gan/seed0 ...

Two tables in Markdown, means over seeds: the Fréchet distance of samples, and the squared error of reconstructions of
test images, for which `reestimate` averages over reconstructions of training images. Runs without batch norm in the
networks concerned are left out.
"""

from __future__ import annotations

import argparse
from collections import defaultdict

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from advcodes.build.produce import produce_all
from advcodes.config.params import read
from advcodes.core.statistics import mean_sd
from advcodes.core.values import to_float
from advcodes.data.prepared import load as load_prepared
from advcodes.evaluation import reference as references
from advcodes.evaluation.sample import generate
from advcodes.extractors.features import load_extractor
from advcodes.graph.graph import Graph
from advcodes.graph.run import Run
from advcodes.jobs import device
from advcodes.metrics.samples.frechet import frechet_distance, statistics
from advcodes.nets.batch_norm import normalised
from advcodes.pages import text
from advcodes.training.restore import Restored, restore

MODES = ("reestimate", "running", "batch")
Table = dict[tuple[str, str], dict[str, list[float]]]  # by dataset and variant, by mode: a value for each seed


def has_batch_norm(networks: list[nn.Module]) -> bool:
    return any(isinstance(module, _BatchNorm) for net in networks for module in net.modules())


def sample_distance(graph: Graph, run: Run, restored: Restored, mode: str, where: torch.device) -> float:
    """Fréchet distance of samples, as the pipeline would measure it with that mode."""
    p = graph.params
    config = p.sampling.model_dump() | {"batch_norm": mode}
    samples = generate(restored, p.metrics.n_generated, config, run.seed, f"{run.id}, {mode}")
    extractor = load_extractor(graph.extractor(run.dataset).directory, p.metrics.extractor, where)
    against = references.load(graph.reference(run.dataset).directory).statistics
    return frechet_distance(statistics(extractor.features(samples, f"{run.id}, {mode}")[0]), against)


@torch.inference_mode()
def reconstruction_error(graph: Graph, run: Run, restored: Restored, mode: str, where: torch.device) -> float:
    """Mean squared error per pixel of reconstructed test images."""
    view, sampling, method = graph.params.datasets[run.dataset], graph.params.sampling, restored.method
    data = load_prepared(graph.prepared(run.dataset).directory)
    training, test = data.split(view.train_split).images, data.split(view.test_split).images
    size = min(sampling.batch_size, len(test))

    def batch(images: np.ndarray, start: int) -> torch.Tensor:
        return to_float(torch.from_numpy(np.array(images[start : start + size])).to(where), restored.value_range)

    def passes() -> None:
        for k in range(sampling.reestimate_batches):
            method.reconstruct(batch(training, k * size % max(1, len(training) - size)))

    errors = []
    with normalised(decoders(restored), mode, passes):
        for start in range(0, len(test) - size + 1, size):  # whole batches only, for those with statistics of their own
            x = batch(test, start)
            errors.append((method.reconstruct(x) - x).square().mean().item())
    return float(np.mean(errors))


def decoders(restored: Restored) -> list[nn.Module]:
    """Networks that turn codes into images."""
    return [net for role, net in restored.method.networks.items() if role in ("generator", "decoder")]


def show(title: str, table: Table) -> None:
    """Print a table: a row for each variant of a dataset."""
    rows = []
    for (dataset, variant), by_mode in table.items():
        summary = [mean_sd(by_mode[mode]) for mode in MODES]
        places = text.decimals([mean for mean, _ in summary])
        cells = [text.plus_minus(*pair, places) for pair in summary]
        rows.append([text.dataset(dataset), variant, str(len(by_mode[MODES[0]])), *cells])
    print(f"\n{title}\n\n{text.markdown_table(['dataset', 'variant', 'seeds', *MODES], rows, left=(0, 1))}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", metavar="run", help="scale/dataset/variant/seed<k>")
    args = parser.parse_args()
    graph = Graph(read())
    asked = [Run.parse(run) for run in args.runs]
    runs = asked or [run for run in graph.all_runs() if (graph.train(run).directory / "run.json").exists()]
    distances, errors = (defaultdict(lambda: defaultdict(list)) for _ in range(2))
    for dataset in dict.fromkeys(run.dataset for run in runs):
        produce_all(graph.reference(dataset), graph.params)
    with device.claimed(graph.params.machine) as where:
        for run in runs:
            restored = restore(graph.train(run).directory, where)
            method, row = restored.method, (run.dataset, run.variant)
            sampling = method.can("sample") and has_batch_norm([method.networks[r] for r in method.sampling_roles])
            reconstructing = method.can("reconstruct") and has_batch_norm(decoders(restored))
            for mode in MODES:
                if sampling:
                    distances[row][mode].append(sample_distance(graph, run, restored, mode, where))
                if reconstructing:
                    errors[row][mode].append(reconstruction_error(graph, run, restored, mode, where))
    m = graph.params.metrics
    show(f"Fréchet distance of {m.n_generated:,} samples on {m.extractor} features: mean ± sd over seeds", distances)
    show("Squared error per pixel of reconstructed test images: mean ± sd over seeds", errors)


if __name__ == "__main__":
    main()
