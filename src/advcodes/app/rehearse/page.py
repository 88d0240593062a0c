"""docs/rehearsal.md: what a rehearsal found, as Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from advcodes.app.rehearse.rehearse import Rehearsal, Stage
from advcodes.app.rehearse.settings import GENERATED, LEAST_SIDE, REFERENCE
from advcodes.pages.text import count, listing, markdown_table

AFFECTS_RESULTS = False
_HEAD = """\
# Rehearsal of scale `{scale}`

<!-- `advcodes rehearse {names} --scale {scale} --out docs/rehearsal.md` writes this page. -->

Before days on a GPU, minutes on a CPU: everything that these tables and figures need was made once, in the order in
which the pipeline makes it, with the scale's own networks, sizes of images, codes and batches, precision, rates and
phases. What is cut is what takes long and cannot fail otherwise:

- **Images** are {train} of noise a training split, in the formats in which the originals are published, and read by the
  code that reads these. Sentences are made, too.
- **A training** is two cycles of steps (as many as it takes for each phase to be due): from its start, and from the
  middle of its whole length, by which rates decay and phases begin and end. Losses and gradients must be finite;
  gradients must reach every weight, and move every network in each phase that updates it. Where a step of the whole
  batch would have taken more than {limit:g} seconds here, it had {part} images, and time and memory are reckoned in a
  line through {part} and {half}.
- **Metrics** are those of the scale, of {generated} samples against {reference} real images. Inception's network has
  random weights, and sees samples at {side} pixels in place of 299; real images it sees at 299.
- Classifiers and feature networks see each image once.
"""
_ABOUT = """\
*Steps* are those of the whole run, *s/step* what one took here ({threads}), *hours here* both together: a GPU's will
be fewer by far. *Host* is the most memory that the process had. *GPU* is simulated: weights, gradients and Adam's two
moments, what forward passes keep for backward ones (each storage once), and the training images at full size, which lie
on the device; libraries take about half a GB on top. *Evaluation* with Inception takes about 2 GB, whatever was
trained."""
GB = 1e9


def page(rehearsal: Rehearsal, names: list[str]) -> str:
    """The whole page.

    Args:
        rehearsal: what happened.
        names: items and papers, as asked for.
    """
    from advcodes.app.rehearse.originals import TRAIN
    from advcodes.training.rehearsal import PART

    head = _HEAD.format(
        scale=rehearsal.scale, names=" ".join(names), train=TRAIN, generated=GENERATED, reference=REFERENCE,
        limit=rehearsal.limit, side=LEAST_SIDE, part=PART, half=PART // 2,
    )  # fmt: skip
    return (
        "\n".join([head, *_summary(rehearsal), *_failures(rehearsal), *_items(rehearsal), *_trainings(rehearsal)])
        + "\n"
    )


def _summary(rehearsal: Rehearsal) -> Iterator[str]:
    stages = list(rehearsal.stages.values())
    kinds = [("prepared", "datasets"), ("train", "trainings"), ("evaluate", "sets of metrics"), ("study", "studies")]
    told = [f"{n} {what}" for kind, what in kinds if (n := sum(s.id.partition("/")[0] == kind for s in stages))]
    wrong = len({id_ for id_, _ in rehearsal.failures})
    went = f"{wrong} of them failed" if wrong else "nothing failed"
    yield f"**{len(rehearsal.items)} tables and figures, {listing(told)}: {went}.**"
    if needs := [_gpu(rehearsal, s) for s in stages if s.facts]:
        yield f"\nThe training that takes most needs {max(needs) / GB:.1f} GB of a GPU."


def _failures(rehearsal: Rehearsal) -> Iterator[str]:
    if rehearsal.failures:
        yield "\n## What failed\n"
        yield from (f"- `{id_}`: {why}" for id_, why in rehearsal.failures)


def _items(rehearsal: Rehearsal) -> Iterator[str]:
    yield "\n## Tables and figures\n"
    rows = []
    for item, ids in rehearsal.behind.items():
        runs = [rehearsal.stages[i] for i in ids if i.startswith("train/")]
        hours = sum(_hours(s) for s in runs if s.facts)
        bad = sum(bool(rehearsal.stages[i].failures) for i in ids)
        rows.append([f"`{item}`", str(len(runs)), f"{hours:,.0f}", f"**{bad} failed**" if bad else "made"])
    yield markdown_table(["item", "trainings a seed", "hours here a seed", "rehearsal"], rows, left=(0, 3))


def _trainings(rehearsal: Rehearsal) -> Iterator[str]:
    yield "\n## Trainings\n"
    threads = f"a CPU, {count(rehearsal.threads, 'thread')}"
    yield _ABOUT.format(threads=threads) + "\n"
    rows = []
    for stage in rehearsal.stages.values():
        if not stage.id.startswith("train/") or not stage.facts:
            continue
        facts, (_, _, dataset, variant, _) = stage.facts, stage.id.split("/")
        rows.append(
            [
                dataset,
                f"`{variant}`",
                f"{facts['parameters'] / 1e6:,.1f}",
                f"{facts['used']} of {facts['batch_size']}"
                if facts["used"] < facts["batch_size"]
                else str(facts["used"]),
                f"{facts['steps']:,}",
                f"{facts['seconds']:.2f}",
                f"{_hours(stage):,.0f}",
                f"{facts['peak'] / GB:.1f}",
                f"{_gpu(rehearsal, stage) / GB:.1f}",
            ]
        )
    heads = ["dataset", "variant", "parameters / 10⁶", "batch", "steps", "s/step", "hours here", "host, GB", "GPU, GB"]
    yield markdown_table(heads, rows, left=(0, 1))


def _hours(stage: Stage) -> float:
    return stage.facts["steps"] * stage.facts["seconds"] / 3600


def _gpu(rehearsal: Rehearsal, stage: Stage) -> int:
    return stage.facts["needs"] + rehearsal.data.get(stage.id.split("/")[2], 0)
