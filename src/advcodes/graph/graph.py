"""Which results exist for a params.yaml, where they lie and what each is made from."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator
from typing import Any

from advcodes.build.keys import digest
from advcodes.build.provenance import Artifact, ancestors_first
from advcodes.core.errors import AdvcodesError, unknown
from advcodes.data.expected import expected, held_out_split, original_size
from advcodes.graph.compared import compared
from advcodes.graph.evaluation import EvaluationGraph
from advcodes.graph.run import Run, plain
from advcodes.graph.streams import paired
from advcodes.papers.items import FRONT_ITEM, Claim, Item
from advcodes.papers.read import equalities, paper_titles, read_claims

AFFECTS_RESULTS = False
MASKED_BY = "inpainting"  #: the metric whose settings say what is missing of an image


class Graph(EvaluationGraph):
    """The artifacts of one params.yaml at its active scale, made on demand and cached."""

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
    def study(self, item_id: str) -> Artifact:
        """What a table or figure needs of networks, samples and data: data/studies/<scale>/<item>.

        It depends on none of the item's words and numbers, but for those that say what is to be shown.

        Raises:
            AdvcodesError: there is no such item, or it is drawn from results alone.
        """
        item, p = self._item(item_id), self.params
        kind, runs = item.declares, self.runs(item)
        if not kind.needs:
            raise AdvcodesError(f"study {item_id}: `kind: {kind.name}` is drawn from results alone; render it instead")
        datasets = dict.fromkeys(r.dataset for r in runs)
        served = {c: d for c in item.columns if (d := p.served(c, item_id)) in datasets}
        said = item.declaration()
        config: dict[str, Any] = {
            "kind": kind.name,
            "cells": {
                v: {c: d for c, d in served.items() if item.trains(v, c)} for v in self.rows(item) if v in p.variants
            },
            "options": {key: said[key] for key in kind.study_options()},
        }
        inputs: dict[str, Artifact] = {}
        if "networks" in kind.needs:
            config["sampling"] = plain(p.sampling)
            inputs |= {f"run/{r.id}": self.train(r) for r in runs}
        if "samples" in kind.needs:
            inputs |= {f"samples/{r.id}": self.samples(r) for r in runs}
        if "masks" in kind.needs:  # of test images, as the metrics of what was filled in
            config["masks"] = plain(getattr(p.metrics, MASKED_BY))
            config["splits"] = {d: p.datasets[d].test_split for d in datasets}
        elif "data" in kind.needs:
            config["splits"] = {d: self._shown_split(d, item.held_out) for d in datasets}
        if "data" in kind.needs:
            inputs |= {f"data/{d}": self.prepared(d) for d in datasets}
        if "classifier" in kind.needs:
            inputs |= {f"extractor/{d}": self.classifier(d) for d in datasets}
        if "statements" in kind.needs:
            inputs |= {f"statements/{d}": self.classifier(d, "statements") for d in datasets}
        return Artifact(
            f"study/{p.scale}/{item_id}",
            self.data / "studies" / p.scale / item_id / "manifest.json",
            config,
            inputs,
            ("advcodes.studies.make", f"advcodes.studies.kinds.{kind.name}"),
        )

    def _shown_split(self, dataset: str, held_out: bool) -> str:
        """Split whose images a figure shows: that of held-out ones, if it is asked for and there is one."""
        look = expected(self.params, dataset) if held_out else None
        split = held_out_split(look.splits, self.params.datasets[dataset].train_split) if look else None
        return split or self.reference_split(dataset)

    def studies(self) -> list[Artifact]:
        """Studies of the chosen items."""
        return [self.study(i) for i in self.chosen() if self.items[i].declares.needs]

    def _item(self, item_id: str) -> Item:
        if item_id not in self.items:
            raise unknown("item", item_id, self.items)
        return self.items[item_id]

    @functools.cache  # noqa: B019
    def item(self, item_id: str) -> Artifact:
        """A rendered table or figure: reports/<scale>/<item>.{md,json,...}."""
        item, p = self._item(item_id), self.params
        config = {
            "scale": p.scale,
            "item": item.declaration(),
            "rows": self.rows(item),
            "columns": {c: p.served(c, item_id) for c in item.columns},
            "whole": self._whole(item),
        }
        if labels := {v: own for v in self.rows(item) if v not in item.rows and (own := p.variants[v].label)}:
            config["labels"] = labels
        inputs = self._results(self.runs(item))
        if item.declares.needs:
            inputs["study"] = self.study(item_id)
        return Artifact(
            f"item/{p.scale}/{item_id}",
            self.data / "reports" / p.scale / f"{item_id}.manifest.json",
            config,
            inputs,
            ("advcodes.pages.render", item.declares.page, *self.about([item])),
            # Reports go to git, their manifests to DVC with the data: a clone without the data knows nothing of them,
            # and builds everything.
            home=(self.reports / p.scale / item_id).parent,
        )

    def _whole(self, item: Item) -> dict[str, int]:
        """Images that a run sees at scale `paper`, by column; of what papers have, and of original datasets alone."""
        p, images = self.params, {}
        for column in item.columns if item.in_paper and p.scale != "paper" else ():
            budget = p.budget_of(column, paper=True)
            size = original_size(p, column)
            if size is not None and budget.updates is None:  # as many updates are other numbers of images
                images[column] = budget.images or round((budget.epochs or 0) * size)
        return images

    def _results(self, runs: list[Run]) -> dict[str, Artifact]:
        """What reports read of runs: metrics by ``<run>``, training by ``run/<run>``."""
        return {r.id: self.metrics(r) for r in runs} | {f"run/{r.id}": self.train(r) for r in runs}

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

    def _claimed(self, claims: list[Claim]) -> dict[str, Any]:
        """Claims, what the rows of each differ in that it does not name, and which share their random numbers."""
        return {
            "claims": [c.model_dump(mode="json") for c in claims],
            "compared": compared(self, claims),
            "paired": paired(self, claims),
        }

    @functools.cache  # noqa: B019
    def front(self) -> Artifact:
        """The front page of the results: reports/table1.md, which needs the front item alone."""
        p, shown = self.params, [i for i in self.chosen() if i == FRONT_ITEM]
        claims = [c for c in read_claims() if c.item in shown]
        inputs = {i: self.item(i) for i in shown}
        for i in shown:
            inputs |= self._results(self.runs(self.items[i]))
        return Artifact(
            f"front/{p.scale}",
            self.data / "reports" / "front.manifest.json",
            {"scale": p.scale, "items": self._made(shown), **self._claimed(claims)},
            inputs,
            ("advcodes.pages.front", *self.about(self.items[i] for i in shown)),
            home=self.reports,
        )

    @functools.cache  # noqa: B019
    def summary(self) -> Artifact:
        """The metrics and curves that DVC compares, over all chosen items."""
        p = self.params
        config = {"scale": p.scale, "items": self._made(self.chosen())}
        # Items and the front page are made from the same results; as inputs, they are made with it.
        inputs = {"front": self.front()} | {i: self.item(i) for i in self.chosen()} | self._results(self.all_runs())
        return Artifact(
            f"summary/{p.scale}",
            self.data / "reports" / "manifest.json",
            config,
            inputs,
            ("advcodes.pages.summary", *self.about(self.items[i] for i in self.chosen())),
            home=self.reports,
        )

    @functools.cache  # noqa: B019
    def claims(self) -> Artifact:
        """Verdicts on the claims, reports/<scale>/claims.md: over all declared items, whichever are chosen."""
        p = self.params
        config = {
            "scale": p.scale,
            "items": self._made(self.items),
            **self._claimed(read_claims()),
            "papers": paper_titles(),
            "equal": {paper: equal.model_dump(mode="json") for paper, equal in equalities().items()},
        }
        return Artifact(
            f"claims/{p.scale}",
            self.data / "reports" / p.scale / "claims.manifest.json",
            config,
            {i: self.item(i) for i in self.items} | self._results(self.every_run()),  # items, to be made with it
            ("advcodes.pages.verdicts",),
            home=self.reports / p.scale,
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
        items: dict[str, None] = {}
        for name in self.params.items:
            if name not in self.items and name not in papers:
                raise unknown("item", name, [*self.items, *sorted(papers)])
            items |= dict.fromkeys(i for i in self.items if name in (i, i.partition("/")[0]))
        return list(items)

    def all_runs(self) -> list[Run]:
        """Every run of the chosen items, each once."""
        return list(dict.fromkeys(r for i in self.chosen() for r in self.runs(self.items[i])))

    def first_alike(self, run: Run) -> Run:
        """The first of all runs that is the very same training, whatever its variant is called."""
        return self._firsts.get(self._training(run), run)

    @functools.cached_property
    def _firsts(self) -> dict[str, Run]:
        firsts: dict[str, Run] = {}
        for run in self.all_runs():
            firsts.setdefault(self._training(run), run)
        return firsts

    def _training(self, run: Run) -> str:
        """The same of two runs that differ in the variant's name alone."""
        return digest({**self.train(run).spec, "id": run.dataset})

    def every_run(self) -> list[Run]:
        """Every run of all declared items, each once."""
        return list(dict.fromkeys(r for item in self.items.values() for r in self.runs(item)))

    def everything(self) -> Iterator[Artifact]:
        """Every artifact behind the chosen items, inputs first."""
        return ancestors_first([self.summary()])

    def every_item(self) -> Iterator[Artifact]:
        """Every artifact behind all declared items, chosen or not, inputs first."""
        return ancestors_first([self.summary(), self.claims()])
