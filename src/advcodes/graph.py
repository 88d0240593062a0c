"""Which results exist for a params.yaml, where they lie and what each is made from."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from advcodes import registry
from advcodes.data.expected import original_size
from advcodes.errors import AdvcodesError, unknown
from advcodes.keys import digest
from advcodes.params import Params
from advcodes.provenance import Artifact, ancestors_first
from advcodes.reporting.items import FRONT_ITEM, Item
from advcodes.reporting.papers import paper_titles, read_claims, read_items

AFFECTS_RESULTS = False
DATA = Path("data")
REPORTS = Path("reports")
Task = Literal["auto", "statements"]  #: that a classifier of a dataset is trained for
#: Keys of `metrics` that say what is computed, and how.
_MEASURED = ("compute", "n_generated_is", "is_splits", "kid_subsets", "kid_subset_size", "prc_neighborhood")


class Run(NamedTuple):
    """One training: dataset x variant x seed."""

    scale: str
    dataset: str
    variant: str
    seed: int

    @property
    def id(self) -> str:
        return f"{self.scale}/{self.dataset}/{self.variant}/seed{self.seed}"

    @classmethod
    def parse(cls, text: str) -> Run:
        """Inverse of :attr:`id`; also takes the run's directory."""
        parts = Path(text).parts[-4:]
        if len(parts) != 4 or not re.fullmatch(r"seed\d+", parts[3]):
            raise AdvcodesError(
                f"run {text!r}: expected <scale>/<dataset>/<variant>/seed<k>, as in demo/digits/gan/seed0"
            )
        return cls(parts[0], parts[1], parts[2], int(parts[3].removeprefix("seed")))


def _plain(model: Any) -> dict[str, Any]:
    return model.model_dump(mode="json")


@dataclass(eq=False)
class Graph:
    """The artifacts of one params.yaml at its active scale, made on demand and cached."""

    params: Params
    data: Path = DATA
    reports: Path = REPORTS

    def check_scale(self, scale: str, what: str) -> None:
        """See that something is asked for at the scale that params.yaml is at.

        Raises:
            AdvcodesError: it is not.
        """
        if scale != self.params.scale:
            raise AdvcodesError(
                f"{what}: params.yaml is at scale {self.params.scale!r}; set `scale: {scale}` there first"
            )

    # -- data ---------------------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019 - a graph lives as long as the process
    def prepared(self, dataset: str) -> Artifact:
        """The dataset as one array: data/prepared/<dataset>."""
        if dataset not in self.params.datasets:
            raise unknown("dataset", dataset, self.params.datasets)
        view = self.params.datasets[dataset]
        source = self.params.source(dataset)
        config = {"dataset": dataset, **_plain(view), "source": source}
        # Value range and architecture are how networks see the array, not what is in it.
        seen = {k: config[k] for k in config if k not in ("range", "architecture", "train_split", "test_split")}
        if source == "folder":
            from advcodes.data.folder import fingerprint

            seen["content"] = fingerprint(Path(view.path or ""))
        modules = ("advcodes.data.prepare", f"advcodes.data.{_module_of(source)}")
        return Artifact(f"prepared/{dataset}", self.data / "prepared" / dataset / "manifest.json", seen, {}, modules)

    @functools.cache  # noqa: B019
    def text(self, dataset: str) -> Artifact:
        """The sentence encoder of a dataset's captions, and their embeddings: data/prepared/text/<dataset>/<hash>."""
        data = self.prepared(dataset)
        view = self.params.datasets[dataset]
        config = {**_plain(self.params.text), "train_split": view.train_split, "test_split": view.test_split}
        place = f"text/{dataset}/{digest(config)[:8]}"  # those of several scales lie side by side
        manifest = self.data / "prepared" / place / "manifest.json"
        return Artifact(place, manifest, config, {"data": data}, ("advcodes.text.encoder",))

    # -- training -----------------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019
    def train(self, run: Run) -> Artifact:
        """Checkpoint, snapshots and log of one run: data/runs/<run>."""
        p = self.params
        if run.variant not in p.variants:
            raise unknown("variant", run.variant, p.variants)
        self.check_scale(run.scale, f"run {run.id}")
        if run.dataset not in p.datasets:
            raise unknown("dataset", run.dataset, p.datasets)
        variant, view = p.variants[run.variant], p.datasets[run.dataset]
        architecture = p.architectures[view.architecture or variant.architecture]
        elsewhere = ("items", "architecture", "training", "value_range")  # none of these, or resolved below
        hyperparameters = {k: v for k, v in _plain(variant).items() if k not in elsewhere}
        training = _plain(p.training_of(run.variant))
        del training["log_every"], training["checkpoint_seconds"]  # these never change results
        if training["early_stopping"] is None:
            del training["early_stopping"]
        config = {
            "method": hyperparameters,
            "architecture": _plain(architecture),
            "training": training,
            "budget": _plain(p.budget_of(run.dataset)),
            "view": {"range": list(variant.value_range or view.range), "train_split": view.train_split},
            "seed": run.seed,
        }
        method = registry.method(variant.method)
        modules = ["advcodes.training.train", method.__module__, f"advcodes.nets.{architecture.family}"]
        inputs = {"data": self.prepared(run.dataset)} | self._captions(run)
        if asked := method.pretrained(variant):
            of_metrics = asked == "extractor"
            config["pretrained"] = p.metrics.extractor if of_metrics else asked
            inputs["pretrained"] = (self.extractor if of_metrics else self.feature_network)(run.dataset)
            # What loads it does so by name, as metrics do, whose code is no part of other runs' results.
            modules += ["advcodes.training.pretrained", *inputs["pretrained"].modules]
        return Artifact(
            f"train/{run.id}", self.data / "runs" / run.id / "manifest.json", config, inputs, tuple(modules)
        )

    def _captions(self, run: Run) -> dict[str, Artifact]:
        """Captions of the run's dataset, where its method asks for text."""
        asks_text = registry.method(self.params.variants[run.variant].method).asks == "text"
        return {"text": self.text(run.dataset)} if asks_text else {}

    # -- evaluation ---------------------------------------------------------------------------------------------

    @functools.cache  # noqa: B019
    def extractor(self, dataset: str) -> Artifact:
        """The feature extractor of the metrics: a classifier of this dataset, or Inception for all."""
        if self.params.metrics.extractor == "classifier":
            return self.classifier(dataset)
        return Artifact(
            "extractor/inception",
            self.data / "evaluation" / "extractors" / "inception" / "manifest.json",
            {"extractor": "inception"},
            {},
            ("advcodes.evaluation.inception",),
        )

    @functools.cache  # noqa: B019
    def classifier(self, dataset: str, task: Task = "auto") -> Artifact:
        """A classifier of a dataset: it stands in for Inception, and says what an image looks like.

        Args:
            dataset: its name.
            task: ``auto``: classes, where there are such; ``statements``: binary attributes and classes together,
                on noisy images, to read what captions say.
        """
        data = self.prepared(dataset)
        m, root = self.params.metrics, self.data / "evaluation" / "extractors"
        view = self.params.datasets[dataset]
        config = {
            "extractor": "classifier",
            **_plain(m.classifier),
            "train_split": view.train_split,
            "test_split": view.test_split,
            **({} if task == "auto" else {"task": task}),
        }
        place = f"classifier/{dataset}/{digest(config)[:8]}"  # protocols of several scales lie side by side
        return Artifact(
            f"extractor/{place}",
            root / place / "manifest.json",
            config,
            {"data": data},
            ("advcodes.evaluation.classifier",),
        )

    def classifier_at(self, dataset: str, hash_: str) -> Artifact:
        """The classifier of a dataset that lies in the directory of this name.

        Raises:
            AdvcodesError: params.yaml asks for none there.
        """
        found = {a.directory.name: a for task in get_args(Task) for a in [self.classifier(dataset, task)]}
        if hash_ not in found:
            raise AdvcodesError(
                f"classifier {dataset}/{hash_}: params.yaml asks for {' and '.join(found)} of this dataset; its "
                "metrics.classifier has other settings"
            )
        return found[hash_]

    def is_mnist(self, dataset: str) -> bool:
        """Whether a dataset is MNIST, in grey, as it is or padded to 32x32 (and not enlarged): the MNIST score's."""
        view = self.params.datasets[dataset]
        side = view.size or (view.crop.size if view.crop else 28)
        return self.params.source(dataset) == "mnist" and view.channels in (None, 1) and side in (28, 32)

    @functools.cache  # noqa: B019
    def mnist_score(self, hash_: str | None = None) -> Artifact:
        """The classifier of the MNIST score: there is one for all datasets that are MNIST, trained on `mnist`.

        Args:
            hash_: name of the directory where it has to lie; None for whatever it is.

        Raises:
            AdvcodesError: params.yaml asks for none, for none there, or has no MNIST.
        """
        settings, ours = self.params.metrics.mnist_score, [d for d in self.params.datasets if self.is_mnist(d)]
        if settings is None or not ours:
            missing = "metrics.mnist_score is null" if settings is None else "no dataset has `source: mnist`"
            raise AdvcodesError(f"MNIST score: params.yaml asks for no classifier ({missing})")
        config = {"extractor": "mnist_score", **_plain(settings)}
        place = f"mnist_score/{digest(config)[:8]}"
        manifest = self.data / "evaluation" / "extractors" / place / "manifest.json"
        if hash_ not in (None, manifest.parent.name):
            raise AdvcodesError(
                f"MNIST score: params.yaml asks for the classifier {manifest.parent.name}, not {hash_}; its "
                "metrics.mnist_score has other settings"
            )
        return Artifact(
            f"extractor/{place}",
            manifest,
            config,
            {"data": self.prepared("mnist" if "mnist" in ours else ours[0])},
            ("advcodes.evaluation.mnist_classifier",),
        )

    @functools.cache  # noqa: B019
    def feature_network(self, dataset: str, hash_: str | None = None) -> Artifact:
        """The network whose features GALI's feature-MSE compares, and GALI-PT learns from: one for each dataset.

        Args:
            dataset: its name.
            hash_: name of the directory where it has to lie; None for whatever it is.

        Raises:
            AdvcodesError: params.yaml asks for none there.
        """
        view = self.params.datasets[dataset]
        config = {
            "extractor": "features",
            **_plain(self.params.metrics.feature_network),
            "train_split": view.train_split,
            "test_split": view.test_split,
        }
        place = f"features/{dataset}/{digest(config)[:8]}"
        manifest = self.data / "evaluation" / "extractors" / place / "manifest.json"
        if hash_ not in (None, manifest.parent.name):
            raise AdvcodesError(
                f"feature network {dataset}/{hash_}: params.yaml asks for {manifest.parent.name}; its "
                "metrics.feature_network has other settings"
            )
        module = "advcodes.evaluation.feature_network"
        return Artifact(f"extractor/{place}", manifest, config, {"data": self.prepared(dataset)}, (module,))

    def reference_split(self, dataset: str) -> str:
        """Split of a dataset that samples are compared with."""
        view = self.params.datasets[dataset]
        return view.test_split if self.params.metrics.reference_split == "test" else view.train_split

    @functools.cache  # noqa: B019
    def reference(self, dataset: str) -> Artifact:
        """Features of the real images that samples are compared with, cached by everything that enters them."""
        m, view = self.params.metrics, self.params.datasets[dataset]
        config = {
            "extractor": m.extractor,
            "split": self.reference_split(dataset),
            "n_reference": m.n_reference,
            # What real training images score under the same protocol is measured here, once for all runs.
            "floor_split": view.train_split,
            **{k: getattr(m, k) for k in ("n_generated", *_MEASURED)},
        }
        inputs = {"data": self.prepared(dataset), "extractor": self.extractor(dataset)}
        place = f"reference/{dataset}/{digest([config, inputs['extractor'].id])[:8]}"
        return Artifact(
            place,
            self.data / "evaluation" / place / "manifest.json",
            config,
            inputs,
            ("advcodes.evaluation.reference",),
        )

    @functools.cache  # noqa: B019
    def samples(self, run: Run) -> Artifact:
        """Generated images of one run: data/evaluation/samples/<run>."""
        p = self.params
        m = p.metrics
        config = {"n_generated": max(m.n_generated, m.n_generated_is or 0), **_plain(p.sampling)}
        inputs = {"run": self.train(run), **self._captions(run)}
        if "text" in inputs:  # samples show what the reference's captions say
            config["split"] = self.reference_split(run.dataset)
            inputs["data"] = self.prepared(run.dataset)
        return Artifact(
            f"sample/{run.id}",
            self.data / "evaluation" / "samples" / run.id / "manifest.json",
            config,
            inputs,
            ("advcodes.evaluation.sample",),
        )

    @functools.cache  # noqa: B019
    def metrics(self, run: Run) -> Artifact:
        """Metrics of one run and their course over training: data/evaluation/metrics/<run>."""
        p, m = self.params, self.params.metrics
        keys = (*_MEASURED, "n_generated", "curve_n_generated")
        config = {
            "extractor": m.extractor,
            "sampling": _plain(p.sampling),
            **{k: getattr(m, k) for k in keys},
        }
        inputs = {
            "samples": self.samples(run),
            "run": self.train(run),
            "extractor": self.extractor(run.dataset),
            "reference": self.reference(run.dataset),
            **self._captions(run),  # snapshots show what they say, too
        }
        modules = ["advcodes.evaluation.evaluate"]
        method, view = registry.method(p.variants[run.variant].method), p.datasets[run.dataset]
        asks = method.asks
        if asks == "text":
            inputs["data"] = self.prepared(run.dataset)
        # Of `shapes` alone a classifier can tell what captions say.
        if asks in ("labels", "clusters") or (asks == "text" and p.source(run.dataset) == "shapes"):
            config["asks"] = asks
            inputs["data"] = self.prepared(run.dataset)
            if asks == "text":
                inputs["statements"] = self.classifier(run.dataset, "statements")
            else:
                inputs["classifier"] = self.classifier(run.dataset)
            modules.append("advcodes.evaluation.conditional")
        if method.can("reconstruct") and p.source(run.dataset) != "gaussians":
            config["mse"] = {"split": view.test_split, "train_split": view.train_split, "n_images": m.n_reference}
            inputs["data"] = self.prepared(run.dataset)
            modules.append("advcodes.evaluation.reconstruction")
        wanted = self._wanted(run)
        compared = {"split": view.test_split, "n_images": m.n_reference, "minibatch": m.minibatch}
        if wanted & {"pixel_mse", "feature_mse"}:
            config["feature_error"] = compared
            modules.append("advcodes.evaluation.feature_error")
        if wanted & {"inpainted_pixel_mse", "inpainted_feature_mse", "inpainted_seam"}:
            config["inpainting"] = {**compared, **_plain(m.inpainting)}
            modules.append("advcodes.evaluation.inpainting")
        if {"feature_error", "inpainting"} & config.keys():
            inputs |= {"data": self.prepared(run.dataset), "features": self.feature_network(run.dataset)}
        if "svm_error" in wanted:
            config["svm"] = {**_plain(m.svm), "train_split": "train", "test_split": view.test_split}
            inputs["data"] = self.prepared(run.dataset)
            modules.append("advcodes.evaluation.svm")
        if "settling_images" in wanted:
            config["settling"] = _plain(m.settling)
            modules.append("advcodes.evaluation.settling")
        if m.mnist_score is not None and self.is_mnist(run.dataset):
            config["mnist_score"] = {"split": view.test_split}
            inputs |= {"data": self.prepared(run.dataset), "mnist_score": self.mnist_score()}
            modules.append("advcodes.evaluation.mnist_score")
        return Artifact(
            f"evaluate/{run.id}",
            self.data / "evaluation" / "metrics" / run.id / "manifest.json",
            config,
            inputs,
            tuple(modules),
        )

    def _wanted(self, run: Run) -> set[str]:
        """Metrics that any declared item, chosen or not, shows of a run's variant on its dataset."""
        return {
            metric
            for item in self.items.values()
            if run.variant in item.variants or item.id in self.params.variants[run.variant].items
            for column in item.columns
            if self.params.served(column, item.id) == run.dataset and item.trains(run.variant, column)
            for metric in item.measured(column)
        }

    # -- reports ------------------------------------------------------------------------------------------------

    def rows(self, item: Item) -> list[str]:
        """Variants that an item trains: the paper's rows, then those that params.yaml adds.

        Raises:
            AdvcodesError: params.yaml adds a variant with the name of a row that is not trained, or chooses a row that
                is not there.
        """
        added = [v for v, c in self.params.variants.items() if item.id in c.items and v not in item.variants]
        for variant in added:
            if variant in item.rows:
                what = "of real images, which are" if item.rows[variant].real else "a cited number, which is"
                raise AdvcodesError(
                    f"params.yaml: variants.{variant}.items: row {variant!r} of {item.id} is {what} not trained; give "
                    "the variant another name"
                )
        every = [*item.variants, *added]
        chosen = self.params.of_item(item.id).rows or every
        for variant in chosen:
            if variant not in every:
                raise unknown(f"row under per_item.{item.id}.rows", variant, every)
        return [v for v in every if v in chosen]

    def runs(self, item: Item) -> list[Run]:
        """Every run that an item needs at this scale."""
        p = self.params
        columns: dict[str, list[str]] = {}  # by the dataset that serves them
        for column in item.columns:
            if (dataset := p.served(column, item.id)) is not None:
                columns.setdefault(dataset, []).append(column)
        seeds = p.seeds_of(item.id)
        return [
            Run(p.scale, d, v, s)
            for d, served in columns.items()
            for v in self.rows(item)
            if v in p.variants and any(item.trains(v, c) for c in served)
            for s in seeds
        ]

    @functools.cache  # noqa: B019
    def item(self, item_id: str) -> Artifact:
        """A rendered table or figure: reports/<scale>/<item>.{md,json,...}."""
        if item_id not in self.items:
            raise unknown("item", item_id, self.items)
        item = self.items[item_id]
        p = self.params
        config = {
            "scale": p.scale,
            "item": item.declaration(),
            "rows": self.rows(item),
            "columns": {c: p.served(c, item_id) for c in item.columns},
            "whole": self._whole(item),
        }
        inputs = self._results(runs := self.runs(item))
        datasets = dict.fromkeys(r.dataset for r in runs)
        if item.kind not in ("curves", "controller", "leaderboard"):  # numbers that other stages wrote
            inputs |= {f"samples/{r.id}": self.samples(r) for r in runs}
            inputs |= {f"data/{d}": self.prepared(d) for d in datasets}
        if item.kind in ("codes", "conditional"):
            inputs |= {f"extractor/{d}": self.classifier(d) for d in datasets}
        if item.kind == "attributes":
            inputs |= {f"statements/{d}": self.classifier(d, "statements") for d in datasets}
        return Artifact(
            f"item/{p.scale}/{item_id}",
            self.data / "reports" / p.scale / f"{item_id}.manifest.json",
            config,
            inputs,
            ("advcodes.reporting.render", f"advcodes.reporting.{item.kind}"),
            # Reports go to git, their manifests to DVC with the data: a clone without the data knows nothing of them,
            # and builds everything.
            home=(self.reports / p.scale / item_id).parent,
        )

    def _whole(self, item: Item) -> dict[str, int]:
        """Images that a run sees at scale `paper`, by column; of what papers have, and of original datasets alone."""
        p, found = self.params, {}
        for column in item.columns if item.in_paper and p.scale != "paper" else ():
            budget = p.budget_of(column, paper=True)
            if (size := original_size(p, column)) is not None:
                found[column] = budget.images or round(budget.epochs * size)
        return found

    def _results(self, runs: list[Run]) -> dict[str, Artifact]:
        """What reports read of runs: metrics by ``<run>``, training by ``run/<run>``."""
        return {r.id: self.metrics(r) for r in runs} | {f"run/{r.id}": self.train(r) for r in runs}

    @functools.cached_property
    def items(self) -> dict[str, Item]:
        """Declared items by id."""
        return read_items()

    def _made(self, item_ids: Iterable[str]) -> dict[str, Any]:
        """What verdicts on claims have to know of items."""
        return {
            i: {
                "item": self.items[i].declaration(),
                "columns": {c: self.params.served(c, i) for c in self.items[i].columns},
                "seeds": self.params.seeds_of(i),
            }
            for i in item_ids
        }

    @functools.cache  # noqa: B019
    def front(self) -> Artifact:
        """The front page of the results: reports/table1.md, which needs the front item alone."""
        p, shown = self.params, [i for i in self.chosen() if i == FRONT_ITEM]
        claims = [c.model_dump(mode="json") for c in read_claims() if c.item in shown]
        inputs = {i: self.item(i) for i in shown}
        for i in shown:
            inputs |= self._results(self.runs(self.items[i]))
        return Artifact(
            f"front/{p.scale}",
            self.data / "reports" / "front.manifest.json",
            {"scale": p.scale, "items": self._made(shown), "claims": claims},
            inputs,
            ("advcodes.reporting.front",),
            home=self.reports,
        )

    @functools.cache  # noqa: B019
    def summary(self) -> Artifact:
        """Verdicts on the claims, and the metrics and curves that DVC compares, over all chosen items."""
        p = self.params
        config = {
            "scale": p.scale,
            "items": self._made(self.chosen()),
            "claims": [c.model_dump(mode="json") for c in read_claims()],
            "papers": paper_titles(),
        }
        # Items and the front page are made from the same results; as inputs, they are made with it.
        inputs = {"front": self.front()} | {i: self.item(i) for i in self.chosen()} | self._results(self.all_runs())
        return Artifact(
            f"summary/{p.scale}",
            self.data / "reports" / "manifest.json",
            config,
            inputs,
            ("advcodes.reporting.summary",),
            home=self.reports,
        )

    def chosen(self) -> list[str]:
        """Ids of the items that params.yaml asks for; a paper's key (`acl`) stands for all of its items.

        Raises:
            AdvcodesError: no paper declares such an item.
        """
        papers = {i.partition("/")[0] for i in self.items}
        for name in self.params.per_item:
            if name not in self.items and name not in papers:
                raise unknown("item under per_item", name, [*self.items, *sorted(papers)])
        found: dict[str, None] = {}
        for name in self.params.items:
            if name not in self.items and name not in papers:
                raise unknown("item", name, [*self.items, *sorted(papers)])
            found |= dict.fromkeys(i for i in self.items if name in (i, i.partition("/")[0]))
        return list(found)

    def all_runs(self) -> list[Run]:
        """Every run of the chosen items, each once."""
        return list(dict.fromkeys(r for i in self.chosen() for r in self.runs(self.items[i])))

    def everything(self) -> Iterator[Artifact]:
        """Every artifact behind the chosen items, inputs first."""
        return ancestors_first([self.summary()])


def _module_of(source: str) -> str:
    """Module under advcodes.data that reads a source."""
    return {"folder": "folder", "digits": "generated", "shapes": "generated", "gaussians": "generated"}.get(
        source, "official"
    )
