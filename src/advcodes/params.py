"""params.yaml: the single input, typed and validated, and what the active scale makes of it."""

from __future__ import annotations

import functools
import operator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PrivateAttr, ValidationError, create_model, model_validator

from advcodes import registry
from advcodes.errors import AdvcodesError, did_you_mean
from advcodes.explain import PathError, explain
from advcodes.methods.base import EarlyStopping, MethodConfig
from advcodes.nets.config import Architecture
from advcodes.schema import Count, Fraction, Model, Natural, Positive, Real, Snapshots
from advcodes.yamlfile import read_yaml

AFFECTS_RESULTS = False
SCALES = ("demo", "laptop", "paper")
Scale = Literal["demo", "laptop", "paper"]
Source = Literal["mnist", "svhn", "cifar10", "celeba", "flowers102", "folder", "digits", "shapes", "gaussians"]


class Machine(Model):
    """Where to run. Nothing here enters a result's key: results are good wherever they were made."""

    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$", description="auto | cpu | cuda | cuda:N")
    threads: Count = Field(1, description="CPU threads a training job uses")
    jobs_per_gpu: Count = Field(1, description="training jobs that may share one GPU")
    mirror: str | None = Field(
        None,
        description="directory with original files or images, searched before downloading; "
        "the environment variable ADVCODES_MIRROR overrides it",
    )
    inception_weights: str | None = Field(
        None,
        description="path of the 2015 Inception weights; null: torch-fidelity's own download; the environment "
        "variable ADVCODES_INCEPTION_WEIGHTS overrides it",
    )


class Crop(Model):
    """A square (or box) cut out of each image before resizing."""

    kind: Literal["center", "box"] = Field(
        "center", description="centred square (padded where it exceeds the image) or a box"
    )
    size: Count = Field(description="side of the square in pixels")
    top: Natural = Field(0, description="first row of a box")
    left: Natural = Field(0, description="first column of a box")


class View(Model):
    """A dataset as one paper looks at it: crop, size, value range (facts of each paper's preprocessing)."""

    source: Source | None = Field(None, description="where the images come from; defaults to the dataset's name")
    path: str | None = Field(None, description="folder or zip of images (source: folder)")
    crop: Crop | None = Field(None, description="crop before resizing")
    size: Count | None = Field(None, description="side of the square images; null keeps the source's size")
    resample: Literal["nearest", "bilinear", "bicubic", "lanczos", "tf1_nearest", "tf1_bilinear"] = Field(
        "bilinear",
        description="resizing filter: Pillow's, which antialias (but nearest), or TensorFlow 1's, which do not",
    )
    keep_aspect: bool = Field(False, description="resize the shorter side and crop the centre, instead of squeezing")
    channels: Literal[1, 3] | None = Field(None, description="convert to grey or colour; null keeps the source's")
    range: tuple[Real, Real] = Field((0.0, 1.0), description="value range that networks see: [0, 1] or [-1, 1]")
    train_split: str = Field("train", description="split that is trained on (svhn: train or extra)")
    test_split: str = Field("test", description="split that metrics compare with")
    hold_out: Natural = Field(0, description="first images of the training split set aside as `validation`")
    count: Count | None = Field(None, description="number of images (shapes, gaussians)")
    seed: Natural = Field(0, description="seed of drawn data (shapes, gaussians) and of splits (folder)")
    architecture: str | None = Field(None, description="architecture used here whatever a variant says")


class Training(Model):
    """How every variant is trained."""

    batch_size: Count = 64
    precision: Literal["float32", "bfloat16"] = Field("float32", description="autocast of forward passes")
    channels_last: bool = Field(True, description="memory layout of images and convolutions")
    compile: bool = Field(False, description="torch.compile for every network (needs a C++ compiler, or a GPU)")
    flip: bool = Field(False, description="random horizontal flips")
    log_every: Count = Field(50, description="steps between lines of the log")
    checkpoint_seconds: Positive = Field(60.0, description="seconds between resumable checkpoints")
    snapshots: Snapshots = Field(
        5, description="generators kept for curves of the metric: how many, evenly spaced, or images seen at each"
    )
    early_stopping: EarlyStopping | None = Field(None, description="stop on held-out reconstructions; null: never")


class Budget(Model):
    """Training length, counted in real images seen (steps x batch size), the same for every row of a table."""

    images: Count | None = Field(None, description="images seen")
    epochs: Positive | None = Field(None, description="or passes over the training split")

    @model_validator(mode="after")
    def _one(self) -> Budget:
        if (self.images is None) == (self.epochs is None):
            raise ValueError("give either `images` or `epochs`, not both")
        return self


class Sampling(Model):
    """How images are generated from a trained run."""

    batch_norm: Literal["reestimate", "running", "batch"] = Field(
        "reestimate",
        description="statistics of the generator's batch norm: measured anew on samples before "
        "generating, those accumulated in training, or each batch's own",
    )
    batch_size: Count = 500
    reestimate_batches: Count = Field(20, description="batches over which `reestimate` averages")
    grid: Count = Field(8, description="rows and columns of the image grid")


class Classifier(Model):
    """The classifier whose features stand in for Inception's; trained by the pipeline on each dataset."""

    width: Count = 32
    epochs: Count = 8
    batch_size: Count = 128
    lr: Positive = 2e-3
    precision: Literal["float32", "bfloat16"] = Field("float32", description="autocast of its training")


class MnistScore(Model):
    """Training of the MNIST score's classifier; as its authors have it unless said otherwise."""

    epochs: Count = Field(10, description="passes over images and copies")
    batch_size: Count = 50
    copies: Natural = Field(4, description="turned and moved copies of each training image, beside it")
    precision: Literal["float32", "bfloat16"] = Field("float32", description="autocast of its training")


class Inpainting(Model):
    """Masks of the inpainting metrics: rectangles, the same for every run (facts 6.8)."""

    smallest: Annotated[Fraction, Field(gt=0)] = Field(
        0.125, description="least height and width as a share of the side: 8 of 64 (assumed: the range of the figures)"
    )
    largest: Annotated[float, Field(gt=0, le=1)] = Field(0.84375, description="and the most: 54 of 64 (assumed)")
    seed: Natural = 0


class FeatureNetwork(Model):
    """GALI's auxiliary classifiers, whose features are compared: of digits (classes), or of attributes (facts 5.17)."""

    digits_width: Count = Field(48, description="channels of the first of eight convolutions; the others in proportion")
    digits_units: Count = Field(3072, description="units of both dense layers; the second's output are the features")
    digits_side: Count = Field(54, description="images are resized to this side (nearest)")
    digits_batch_size: Count = 32
    digits_lr: Positive = Field(1e-2, description="of SGD with momentum, times 0.9 each 10,000 steps")
    digits_epochs: Count = Field(10, description="passes over training images (assumed)")
    attributes_width: Count = Field(
        64, description="channels of the first of four convolutions; all other layers in proportion, 256 features"
    )
    attributes_batch_size: Count = Field(128, description="(assumed)")
    attributes_lr: Positive = Field(1e-3, description="Adam's (assumed)")
    attributes_epochs: Count = Field(10, description="passes over training images (assumed)")
    held_out: Annotated[Fraction, Field(gt=0)] = Field(
        0.1, description="share of the training images that weights are chosen by, where there is no split `validation`"
    )
    precision: Literal["float32", "bfloat16"] = Field("float32", description="autocast of its training")


class Svm(Model):
    """Linear SVMs on an encoder's features of few labelled images: GALI's table 2, ALI's protocol (facts 6.7)."""

    labelled: Count = Field(1000, description="labelled images of a set, as many of each class")
    validation: Count = Field(10_000, description="last images of the training split, which C is chosen by")
    draws: Count = Field(100, description="fresh labelled sets, over which the test error is averaged")
    values_of_c: Annotated[Count, Field(ge=2)] = Field(50, description="values of C tried, from exp(-20) to exp(20)")
    seed: Natural = Field(0, description="of the labelled sets, which are the same for every run")


class Settling(Model):
    """When BEGAN's controller counts as settled: our own metric of it (facts 6.9)."""

    band: Annotated[Fraction, Field(gt=0)] = Field(
        0.1, description="largest error of the balance that is settled, as a share of eta L_d"
    )
    window: Count = Field(10, description="points of the log (`training.log_every`) over which it is a mean")


class Metrics(Model):
    """The protocol of every metric; a metric's name states it."""

    extractor: Literal["classifier", "inception"] = Field("classifier", description="features that metrics compare")
    n_generated: Count = Field(10_000, description="generated images")
    n_generated_is: Count | None = Field(
        None, description="of these for the Inception Score, which is usually given of 50,000; null: as many"
    )
    n_reference: Count = Field(10_000, description="real images; fewer if the split has fewer")
    reference_split: Literal["train", "test"] = "test"
    compute: list[Literal["fd", "is", "kid", "prc"]] = Field(
        ["fd", "is", "kid", "prc"], description="families to compute"
    )
    is_splits: Count = 10
    kid_subsets: Count = 100
    kid_subset_size: Count = 1000
    prc_neighborhood: Count = 3
    curve_n_generated: Count = Field(2_000, description="generated images for each point of a curve")
    minibatch: Count = Field(100, description="images over whose means GALI's errors are averaged, with an sd")
    inpainting: Inpainting = Inpainting()
    classifier: Classifier = Classifier()
    mnist_score: MnistScore | None = Field(
        MnistScore(), description="score of samples on MNIST by a classifier of its own; null: do without"
    )
    feature_network: FeatureNetwork = FeatureNetwork()
    svm: Svm = Svm()
    settling: Settling = Settling()


class Text(Model):
    """The encoder of sentences that text-conditioned methods are told by; trained by the pipeline on each dataset."""

    word: Count = Field(300, description="numbers in a word's embedding")
    hidden: Count = Field(
        100, description="units of each direction of the GRU; sentences' embeddings have twice as many"
    )
    pool: Literal["mean", "last"] = Field(
        "mean", description="of the GRU's states: their mean, or each direction's last"
    )
    steps: Count = Field(1000, description="updates")
    batch_size: Annotated[Count, Field(ge=2)] = Field(64, description="sets of captions that are told apart at a time")
    lr: Positive = Field(2e-3, description="highest learning rate of Adam")
    temperature: Positive = Field(0.1, description="of the contrastive loss (InfoNCE)")
    word_dropout: Fraction = Field(0.1, description="share of words replaced by the unknown word in training")
    min_count: Count = Field(2, description="words that training captions have less often are unknown")
    seed: Natural = 0


class PerItem(Model):
    """Where one table or figure differs from the rest; null leaves it."""

    seeds: Annotated[list[Natural], Field(min_length=1)] | None = None
    stand_ins: dict[str, str | None] = Field({}, description="over `stand_ins`")
    rows: Annotated[list[str], Field(min_length=1)] | None = Field(
        None, description="variants that are trained; null: all. Of the others the paper's numbers are printed alone"
    )


@functools.cache
def variant_models() -> dict[str, type[MethodConfig]]:
    """For each registered method, its ``Config`` with the key ``method`` that selects it."""
    return {
        name: create_model(
            f"{cls.__name__}Variant",
            __base__=cls.Config,
            __doc__=cls.__doc__,
            method=(Literal[name], Field(description="the method")),
        )
        for name, cls in registry.methods().items()
    }


@functools.cache
def _params_model() -> type[Params]:
    models = list(variant_models().values())
    union = functools.reduce(operator.or_, models)
    variant = Annotated[union, Field(discriminator="method")] if len(models) > 1 else union
    return create_model(
        "Params", __base__=Params, variants=(dict[str, variant], Field(description="rows of tables by name"))
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

    def budget_of(self, dataset: str, paper: bool = False) -> Budget:
        """A dataset's training length, at this scale or at scale `paper`."""
        budgets = self._at_paper if paper else self.budget
        return budgets.get(dataset, budgets["default"])

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

        sources = Source.__args__
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
            if variant.value_range not in (None, (0.0, 1.0), (-1.0, 1.0)):
                raise PathError(f"{here}.value_range", f"expected [0, 1] or [-1, 1], got {list(variant.value_range)}")
            roles = registry.method(variant.method).nets(variant)
            for key in ("learning_rates", "betas"):
                for role in getattr(variant, key):
                    check(f"{here}.{key}.{role}", role, roles, "role")
        return self


def merge(base: Any, over: Any) -> Any:
    """Deep-merge mappings: ``over`` wins, lists and scalars are replaced whole."""
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{k: merge(base[k], v) if k in base else v for k, v in over.items()}}
    return over


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
    """JSON schema of params.yaml for editors, generated from the models above."""
    schema = _params_model().model_json_schema()
    definitions = schema["$defs"]

    def optional(node: Any) -> Any:
        """The same schema with nothing required and every reference pointing to such a twin."""
        if isinstance(node, dict):
            if "$ref" in node:
                return {"$ref": node["$ref"] + "Override"}
            if "discriminator" in node:
                node = {k: v for k, v in node.items() if k not in ("discriminator", "oneOf")} | {"anyOf": node["oneOf"]}
            return {k: optional(v) for k, v in node.items() if k not in ("required", "default")}
        return [optional(x) for x in node] if isinstance(node, list) else node

    override = {
        "type": "object",
        "additionalProperties": False,
        "properties": {k: optional(v) for k, v in schema["properties"].items() if k != "scale"},
    }
    definitions |= {f"{k}Override": optional(v) for k, v in definitions.items()}
    schema["properties"]["scales"] = {
        "type": "object",
        "description": "what each scale overrides: any part of this file",
        "additionalProperties": False,
        "properties": {s: override for s in SCALES},
    }
    schema["required"] = ["scale"]  # the rest can come from `scales`
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "params.yaml"}
