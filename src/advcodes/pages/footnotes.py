"""What stands below a table or figure: how runs were trained and measured, and where its numbers come from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from advcodes.metrics.registry import metric_of, metrics, parse
from advcodes.pages import text
from advcodes.pages.content import UPDATED, ended, label, measured_on, measures, once, ran
from advcodes.papers.items import FRONT_ITEM

_FILES = {"json": "every seed's values and their protocols", "tex": "LaTeX", "svg": "the picture, to be enlarged"}


def footnotes(content: Mapping[str, Any]) -> list[str]:
    """What a reader has to know about the numbers: one Markdown paragraph each."""
    columns = ran(content)
    by_dataset = {c["served_by"]: c for c in columns.values()}
    images = {d: sorted({n for c in columns.values() if c["served_by"] == d for n in c["images"]}) for d in by_dataset}
    notes = []
    if columns:
        lengths = text.listing([f"{_span(seen)} images of {text.dataset(d)}" for d, seen in images.items()])
        batches = _span(sorted({b for c in columns.values() for b in c["batch_size"]}))
        same = all(len(c["images"]) == len(c["batch_size"]) == 1 for c in columns.values())
        notes.append(
            f"**Training**: {lengths} seen (an image counts each time), in batches of {batches}; "
            + ("the same for every row." if same else "**not the same for every row**.")
        )
        notes += [f"**Updates** {sentence}" for sentence in _updated(content, by_dataset)]
        if shares := [_share(name, c) for name, c in columns.items() if "whole" in c]:
            notes.append(f"**Budget**: {text.listing(shares)}, which a run sees at scale `paper`.")
        if precisions := {tuple(pair) for c in columns.values() for pair in c.get("precision", ())}:
            notes.append(_precision_note(precisions))
        if stopped := sorted({n for c in columns.values() for n in c.get("best_of", ())}):
            notes.append(
                f"**Early stopping**: of rows that have it, those networks count that reconstructed held-out images "
                f"best, out of {_span(stopped)} images seen."
            )
    for dataset, column in by_dataset.items():
        for variant in column.get("diverged", ()):
            row = content["rows"][variant]
            notes.append(
                f"**{label(row)}** {ended(column, variant)} on {text.dataset(dataset)}: a result, whose numbers and "
                "images are those of the last snapshot before, all of whose weights are finite."
            )
    ours = measured_on(content)
    notes += [f"**Metric**: {sentence}" for sentence in descriptions(_with(columns, ours), set().union(*ours.values()))]
    if content["paper_metric"] is None:
        pictures = "**The paper** shows pictures here and prints no number: the metric is our choice."
        nothing = "**No paper** has this: it is our own, and so is the choice of its metric."
        notes.append(pictures if content.get("in_paper", True) else nothing)
    else:
        notes += _other_quantities(content)
    for title in ("Marks", "Footnotes"):
        if meanings := content.get(title.lower()):
            notes.append(f"**{title}**: {'; '.join(f'{sign}: {meaning}' for sign, meaning in meanings.items())}.")
    stand_ins = {name: c["served_by"] for name, c in columns.items() if c["served_by"] != name}
    if stand_ins:
        pairs = [f"{text.dataset(n)} is served by {text.dataset(d)}" for n, d in stand_ins.items()]
        notes.append(
            f"**Stand-ins**: at this scale {text.listing(pairs)}. "
            f"Our numbers are about {_names(stand_ins.values())}, not about {_names(stand_ins)}."
        )
    if missing := [name for name in content["columns"] if name not in columns]:
        notes.append(f"**Not run** at this scale: {_names(missing)}.")
    for which, floors in _floors(by_dataset, ours).items():
        notes.append(
            f"**Floor**: in place of generated images, real {which} score {text.listing(floors)}: "
            "about the best that a generator can reach."
        )
    notes.append(f"**The paper's protocol**: {content['paper_protocol']}.")
    about = "About the paper" if content.get("in_paper", True) else "Note"
    notes += [f"**{about}**: {note}" for note in content["notes"]]
    return notes


def _updated(content: Mapping[str, Any], by_dataset: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """How often each row's networks were updated on a dataset, where that is not the same for all."""
    for dataset, column in by_dataset.items():
        if "updates" not in column:
            continue
        rows = []
        for variant, counts in column["updates"].items():
            told = [f"{_span(sorted(set(counts[kind])))} {kind}" for kind in UPDATED if kind in counts]
            rows.append(f"{content['rows'][variant]['label']} {', '.join(told)}")
        yield f"on {text.dataset(dataset)} (a decoder counts as a generator): {'; '.join(rows)}."


def _precision_note(pairs: set[tuple[str, ...]]) -> str:
    """In what runs computed that were not all in float32 as asked, of pairs of precisions asked for and used."""
    used = sorted({used for _, used in pairs})
    note = f"**Precision**: networks computed in {text.listing(used)}"
    note += ", losses and updates in float32" if used != ["float32"] else ""
    missing = sorted({asked for asked, used in pairs if asked != used})
    if missing:
        some = "" if len(pairs) == len([p for p in pairs if p[0] != p[1]]) else "some of "
        note += f"; {text.listing(missing)} was asked for, but the device of {some}these runs has none of its own"
    return note + ("." if len(used) == 1 else "; **not the same for every row**.")


def _share(name: str, column: Mapping[str, Any]) -> str:
    """How much of scale `paper`'s training length a column's runs had: the least and the most, where they differ."""
    shares = [100 * n / column["whole"] for n in column["images"]]
    ends = dict.fromkeys(f"{share:.0f}" if share >= 10 else f"{share:.2g}" for share in (min(shares), max(shares)))
    return f"{' to '.join(ends)} % of {column['whole']:,} images of {text.dataset(name)}"


def _other_quantities(content: Mapping[str, Any]) -> Iterator[str]:
    """Which of ours are other quantities than the paper's, and what takes the place of what a dataset cannot have."""
    pairs = [(c["served_by"], m) for name, c in ran(content).items() for m in measures(content, name)]
    by_paper: dict[str, dict[str, None]] = {}
    for _, m in pairs:
        if m["metric"] != m["paper_metric"]:
            by_paper.setdefault(m["paper_metric"], {})[f"`{m['metric']}`"] = None
    by_ours: dict[str, list[str]] = {}
    for paper, ours in by_paper.items():
        by_ours.setdefault(text.listing(sorted(ours)), []).append(text.paper_metric(paper))
    if by_ours:
        clauses = [f"{text.listing(papers)}, ours are {ours}" for ours, papers in by_ours.items()]
        which = (
            ", which is another quantity on another scale"
            if len(by_paper) == 1
            else ": other quantities on other scales"
        )
        yield (
            f"**Not comparable with the paper's numbers**: the paper prints {'; where it prints '.join(clauses)}"
            f"{which}. At most the order of the rows can be compared."
        )
    for metric in metrics().values():
        if metric.instead is None:
            continue
        for paper in (q.name for q in metric.quantities):
            there = {(dataset, m["metric"]): None for dataset, m in pairs if m["paper_metric"] == paper != m["metric"]}
            for dataset, ours in there:
                yield (
                    f"**{text.paper_metric(paper)}**: runs on {text.dataset(dataset)} have none, as "
                    f"{metric.instead.because}; `{ours}`, {metric.instead.what}, takes its place."
                )


def _floors(by_dataset: Mapping[str, Mapping[str, Any]], measured: Mapping[str, set[str]]) -> dict[str, list[str]]:
    """Scores of real images, under their own names (their number, and so that name, can be another), by which images.

    Each metric says which those are. What reconstructs has no other floor but zero.
    """
    scores: dict[str, list[str]] = {}
    for dataset, column in by_dataset.items():
        floor, protocol = column["floor"], column["protocol"]
        for name, value in floor.get("metrics", {}).items():
            if parse(name) in map(parse, measured[dataset]):
                which, images = metric_of(parse(name)[0]).floor_of(protocol, floor["protocol"])
                number = text.number(value, text.decimals([value]))
                score = f"`{name}` {number} ({images:,} images of {text.dataset(dataset)})"
                scores.setdefault(which, []).append(score)
    return scores


def origin(content: Mapping[str, Any], files: Sequence[str]) -> str:
    """Where the numbers came from, and how to make them again."""
    scale, front = content["scale"], content["item"] == FRONT_ITEM
    page = "reports/table1.md" if front else f"reports/{scale}/{content['item']}.md"
    links = text.listing([f"[{f}]({f}) ({_FILES[f.rpartition('.')[2]]})" for f in files])
    return (
        "**Where the numbers come from**: each is read from "
        f"`data/evaluation/metrics/{scale}/<dataset>/<variant>/seed<k>/metrics.json`. "
        f"Rebuild them with `snakemake --cores 8 {page}` and `scale: {scale}` in params.yaml. "
        f"Beside this page: {links}."
    )


def other_metrics(content: Mapping[str, Any]) -> list[str]:
    """Sentences on every metric but those that the columns measure."""
    columns, main = ran(content), measured_on(content)
    measured = {d: [m for c in columns.values() if c["served_by"] == d for m in c["metrics"]] for d in main}
    others = {d: set(once([*main[d], *names])) - main[d] for d, names in measured.items()}
    return descriptions(_with(columns, others), set().union(*others.values()))


def _with(columns: Mapping[str, Mapping[str, Any]], names: Mapping[str, set[str]]) -> dict[str, Mapping[str, Any]]:
    """Columns with those of their metrics that are named for their datasets."""
    return {
        column: {**c, "metrics": {m: about for m, about in c["metrics"].items() if m in names[c["served_by"]]}}
        for column, c in columns.items()
    }


def descriptions(columns: Mapping[str, Mapping[str, Any]], names: set[str]) -> list[str]:
    """One sentence for each metric, or one for each dataset where protocols differ between datasets."""
    sentences = []
    for name in dict.fromkeys(m for c in columns.values() for m in c["metrics"] if m in names):
        by_sentence: dict[str, list[str]] = {}
        for column in columns.values():
            if name in column["metrics"]:
                datasets = by_sentence.setdefault(column["metrics"][name], [])
                if column["served_by"] not in datasets:
                    datasets.append(column["served_by"])
        for sentence, datasets in by_sentence.items():
            where = f" on {_names(datasets)}" if len(by_sentence) > 1 else ""
            sentences.append(f"`{name}`{where}: {sentence}")
    return sentences


def _names(datasets: Iterable[str]) -> str:
    return text.listing(list(dict.fromkeys(text.dataset(d) for d in datasets)))


def _span(values: Sequence[int]) -> str:
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"
