"""params.yaml: the single input, typed and validated, and what the active scale makes of it."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from types import GenericAlias
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, PrivateAttr, ValidationError, create_model, model_validator

from advcodes.config.explain import PathError, explain, has
from advcodes.config.like import inherit, merge
from advcodes.config.sections import (
    Budget,
    Machine,
    Metrics,
    PerItem,
    Sampling,
    Source,
    Text,
    Training,
    View,
)
from advcodes.core.errors import AdvcodesError, did_you_mean
from advcodes.core.schema import Model, Natural
from advcodes.core.yaml import read_yaml
from advcodes.methods import registry
from advcodes.methods.base import Method, MethodConfig
from advcodes.metrics import registry as metric_registry
from advcodes.metrics.extracted import OnFeatures
from advcodes.nets.config import Architecture

AFFECTS_RESULTS = False
SCALES = ("demo", "laptop", "paper")
Scale = Literal["demo", "laptop", "paper"]


@functools.cache
def variant_models() -> dict[str, type[MethodConfig]]:
    """For each registered method, its ``Config`` with the key ``method`` that selects it, and what no method reads."""

    def model(name: str, cls: type[Method]) -> type[MethodConfig]:
        only: Any = Literal[name]
        return create_model(
            f"{cls.__name__}Variant",
            __base__=cls.Config,
            __doc__=cls.__doc__,
            method=(only, Field(description="the method")),
            label=(
                str | None,
                Field(None, min_length=1, description="name of an added row in tables; its own if null"),
            ),
            budget=(
                dict[str, Budget],
                Field({}, description="training length by dataset, over `budget`; `default` for all others"),
            ),
        )

    return {name: model(name, cls) for name, cls in registry.methods().items()}


@functools.cache
def metrics_model() -> type[Metrics]:
    """`metrics` of params.yaml, with the settings of every registered metric: ``metrics.<key>``, or beside the counts.

    Metrics on an extractor's features are computed as ``compute`` says.
    """
    every = metric_registry.metrics()
    keys = [key for key, cls in every.items() if issubclass(cls, OnFeatures)]
    fields: dict[str, Any] = {
        "compute": (list[Literal[tuple(keys)]], Field(keys, description="families to compute")),  # type: ignore[misc]
    }
    for key, cls in every.items():
        if cls.Config is not None and cls.flat:
            fields |= {name: (field.annotation, field) for name, field in cls.Config.model_fields.items()}
        elif cls.Config is not None:
            settings = create_model(f"{cls.__name__}Settings", __base__=cls.Config, __doc__=cls.Config.__doc__)
            fields[key] = (settings, settings())
    return create_model("Metrics", __base__=Metrics, __doc__=Metrics.__doc__, **fields)


@functools.cache
def _params_model() -> type[Params]:
    models = list(variant_models().values())
    union = functools.reduce(operator.or_, models)
    variant = Annotated[union, Field(discriminator="method")] if len(models) > 1 else union
    by_name: Any = GenericAlias(dict, (str, variant))
    return create_model(
        "Params",
        __base__=Params,
        metrics=(metrics_model(), metrics_model()()),
        variants=(by_name, Field(description="rows of tables by name")),
    )


class Params(Model):
    """The resolved parameters at the active scale."""

    scale: Scale
    items: list[str] = Field(["acl/table1"], description="tables and figures that `snakemake` builds")
    machine: Machine = Machine()
    stand_ins: dict[str, str | None] = Field({}, description="dataset that serves a paper's column; null: not run")
    seeds: Annotated[list[Natural], Field(min_length=1)]
    per_item: dict[str, PerItem] = Field(
        {}, description="seeds and stand-ins of single tables and figures, or of all of a paper's"
    )
    budget: dict[str, Budget] = Field(description="training length by dataset; `default` for the others")
    training: Training = Training()
    sampling: Sampling = Sampling()
    metrics: Metrics = Metrics()
    text: Text = Text()
    datasets: dict[str, View]
    architectures: dict[str, Architecture]
    variants: dict[str, Any]
    _at_paper: dict[str, Budget] = PrivateAttr(default_factory=dict)

    def budget_of(self, dataset: str, variant: str | None = None, paper: bool = False) -> Budget:
        """A dataset's training length (for a variant), at this scale or at scale `paper` (there, for all)."""
        budgets = self._at_paper if paper else self.budget
        own = self.variants[variant].budget if variant else {}
        return own.get(dataset) or own.get("default") or budgets.get(dataset, budgets["default"])

    def served(self, column: str, item: str = "") -> str | None:
        """The dataset that serves a paper's column at this scale (in one item), or None where it is not run."""
        return {**self.stand_ins, **self.of_item(item).stand_ins}.get(column, column)

    def seeds_of(self, item: str) -> list[int]:
        """Seeds that an item's rows are trained with."""
        return self.of_item(item).seeds or self.seeds

    def of_item(self, item: str) -> PerItem:
        """Where an item differs from the rest: what `per_item` says of its paper (``acl``), and over that of itself."""
        paper, own = (self.per_item.get(name, PerItem()) for name in (item.partition("/")[0], item))
        return PerItem(
            seeds=own.seeds or paper.seeds, stand_ins={**paper.stand_ins, **own.stand_ins}, rows=own.rows or paper.rows
        )

    def training_of(self, variant: str) -> Training:
        """How a variant is trained: `training`, and what the variant says otherwise."""
        own = self.variants[variant].training.model_dump(exclude_none=True)
        return Training.model_validate({**self.training.model_dump(), **own})

    def value_range_of(self, variant: str, dataset: str) -> tuple[float, float]:
        """Range of images that a variant sees: its own, else its architecture family's, else the dataset's."""
        own = self.variants[variant]
        return own.value_range or self.architectures[own.architecture].value_range or self.datasets[dataset].range

    def source(self, dataset: str) -> str:
        """Where a dataset's images come from (its own name unless `source` says otherwise)."""
        return self.datasets[dataset].source or dataset

    @model_validator(mode="after")
    def _names_agree(self) -> Params:
        def check(path: str, name: str, known: Any, what: str) -> None:
            if name not in known:
                raise PathError(
                    path,
                    f"unknown {what} {name!r}{did_you_mean(name, known)} (known: {', '.join(sorted(known))})",
                )

        sources = get_args(Source)
        for name, view in self.datasets.items():
            here = f"datasets.{name}"
            if view.source is None and name not in sources:
                raise PathError(
                    f"{here}.source",
                    f"missing: {name!r} is no built-in dataset, so say where its images "
                    f"come from (allowed: {', '.join(sources)})",
                )
            source = view.source or name
            if source == "folder" and not view.path:
                raise PathError(f"{here}.path", "missing: source `folder` needs the path of your images")
            if source != "folder" and view.path:
                raise PathError(f"{here}.path", f"goes with `source: folder` only, not with {source!r}")
            if source != "folder" and view.folder:
                raise PathError(f"{here}.folder", f"goes with `source: folder` only, not with {source!r}")
            if view.count is not None and source not in ("shapes", "gaussians"):
                raise PathError(
                    f"{here}.count",
                    f"goes with the sources `shapes` and `gaussians` only, not with {source!r}",
                )
            if view.keep_aspect and view.size is None:
                raise PathError(f"{here}.keep_aspect", "needs `size`, the side that images are brought to")
            for key in ("crop", "size", "channels"):
                if source == "gaussians" and getattr(view, key) is not None:
                    raise PathError(f"{here}.{key}", "goes with images, not with the points of `gaussians`")
            if tuple(view.range) not in ((0.0, 1.0), (-1.0, 1.0)) and source != "gaussians":
                raise PathError(f"{here}.range", f"expected [0, 1] or [-1, 1], got {list(view.range)}")
            if view.architecture is not None:
                check(f"{here}.architecture", view.architecture, self.architectures, "architecture")
        maps = {"stand_ins": self.stand_ins} | {
            f"per_item.{item}.stand_ins": own.stand_ins for item, own in self.per_item.items()
        }
        for here, stand_ins in maps.items():
            for column, dataset in stand_ins.items():
                check(f"{here}.{column}", column, self.datasets, "dataset")
                if dataset is not None:
                    check(f"{here}.{column}", dataset, self.datasets, "dataset")
        for dataset in self.budget:
            if dataset != "default":
                check(f"budget.{dataset}", dataset, self.datasets, "dataset")
        if "default" not in self.budget:
            raise PathError("budget.default", "missing: the training length of datasets that `budget` does not name")
        lists = {"seeds": self.seeds} | {f"per_item.{item}.seeds": own.seeds for item, own in self.per_item.items()}
        for here, seeds in lists.items():
            if seeds and len(set(seeds)) != len(seeds):
                raise PathError(here, f"each seed once, got {seeds}")
        for name, variant in self.variants.items():
            here = f"variants.{name}"
            check(f"{here}.architecture", variant.architecture, self.architectures, "architecture")
            for dataset in variant.budget:
                if dataset != "default":
                    check(f"{here}.budget.{dataset}", dataset, self.datasets, "dataset")
            if variant.value_range not in (None, (0.0, 1.0), (-1.0, 1.0)):
                raise PathError(f"{here}.value_range", f"expected [0, 1] or [-1, 1], got {list(variant.value_range)}")
            roles = registry.method(variant.method).nets(variant)
            for key in ("learning_rates", "betas"):
                for role in getattr(variant, key):
                    check(f"{here}.{key}.{role}", role, roles, "role")
        return self


def resolve(tree: Any, file: str = "params.yaml", scale: str | None = None) -> Params:
    """Validate a parsed params.yaml and apply the overrides of one scale (its own unless given).

    Raises:
        AdvcodesError: one line with the file, the path of the key, what is allowed and the nearest known name.
    """
    resolved = _resolve(tree, file, scale)
    resolved._at_paper = (resolved if resolved.scale == "paper" else _resolve(tree, file, "paper")).budget
    return resolved


def _resolve(tree: Any, file: str, scale: str | None) -> Params:
    """One scale, which knows no other."""
    if not isinstance(tree, dict):
        raise AdvcodesError(f"{file}: expected a mapping of keys at the top, got {type(tree).__name__}")
    tree = dict(tree)
    scales = tree.pop("scales", None) or {}
    name = scale or tree.get("scale")
    if name not in SCALES:
        raise AdvcodesError(
            f"{file}: scale: expected one of {', '.join(SCALES)}, got {name!r}{did_you_mean(str(name), SCALES)}"
        )
    if not isinstance(scales, dict) or set(scales) - set(SCALES):
        odd = next(iter(set(scales) - set(SCALES))) if isinstance(scales, dict) else scales
        raise AdvcodesError(
            f"{file}: scales: expected overrides under {', '.join(SCALES)}, got {odd!r}{did_you_mean(str(odd), SCALES)}"
        )
    overrides = scales.get(name) or {}
    for key in ("scale", "scales"):
        if key in overrides:
            raise AdvcodesError(f"{file}: scales.{name}.{key}: a scale cannot override {key!r}")
    merged = merge({**tree, "scale": name}, overrides)
    if isinstance(merged.get("variants"), dict):
        try:
            merged["variants"] = inherit(merged["variants"])
        except PathError as error:
            place = f"scales.{name}." if has(overrides, error.path.split(".")) else ""
            raise AdvcodesError(f"{file}: {place}{error.path}: {error}") from None
    try:
        return _params_model().model_validate(merged)
    except ValidationError as error:
        text = explain(error, merged, _params_model(), variant_models(), f"scales.{name}", overrides)
        raise AdvcodesError(f"{file}: {text}") from None


def read(path: Path | str = "params.yaml", scale: str | None = None) -> Params:
    """Read, validate and resolve a params file; every scale in it is validated, not only the active one.

    Raises:
        AdvcodesError: the file is missing, is not YAML, or does not validate.
    """
    path = Path(path)
    try:
        tree = read_yaml(path)
    except FileNotFoundError:
        raise AdvcodesError(f"{path}: no such file; run from the repository's root (where params.yaml lies)") from None
    resolved = resolve(tree, str(path), scale)
    for other in SCALES:
        if other not in (resolved.scale, "paper"):  # `resolve` validates the paper's with any
            _resolve(tree, str(path), other)
    return resolved


def json_schema() -> dict[str, Any]:
    """JSON schema of params.yaml for editors, generated from the models above.

    It describes the file and what each scale overrides by the same definitions, so nothing is required: any part can
    come from a scale, and much of a variant from the one that it is like.
    """

    def partial(node: Any) -> Any:
        """The same schema of a mapping of which a part may be missing."""
        if isinstance(node, dict):
            if "discriminator" in node:
                node = {k: v for k, v in node.items() if k not in ("discriminator", "oneOf")} | {"anyOf": node["oneOf"]}
            return {k: partial(v) for k, v in node.items() if k not in ("required", "default")}
        return [partial(x) for x in node] if isinstance(node, list) else node

    schema = partial(_params_model().model_json_schema()) | {"required": ["scale"], "title": "params.yaml"}
    sections = {name: section for name, section in schema["properties"].items() if name != "scale"}
    schema["$defs"]["Scale"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": {name: {"$ref": f"#/properties/{name}"} for name in sections},
    }
    schema["properties"]["scales"] = {
        "type": "object",
        "description": "what each scale overrides: any part of this file",
        "additionalProperties": False,
        "properties": {s: {"$ref": "#/$defs/Scale"} for s in SCALES},
    }
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}
