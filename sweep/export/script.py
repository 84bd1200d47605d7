"""The best configuration as a program of its own: cross-validation in PyTorch or in Keras, without this package.

What belongs to no single framework (reading, preprocessing, folds, the score) is ``templates/script.py.j2``; the other
two templates fill in the network and its training. A script holds what its configuration needs and nothing else.

The templates stand here rather than in ``dashboards/``, which holds what people look at: they are code, which says in
other words what ``training/`` does and changes with it.

Whatever a template inserts becomes a Python literal, unless it was marked as source, which is made here alone.
"""

from __future__ import annotations

import textwrap
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from sweep import wording
from sweep.analysis.results import SweepSummary
from sweep.data import from_encoded
from sweep.export.about import best_of, facts
from sweep.export.again import ReadAgain
from sweep.export.columns import script_columns
from sweep.export.literals import WIDTH, Source, assignment, in_docstring, literal
from sweep.export.network import Framework, network_facts, training_constants
from sweep.folds import Scheme, make_folds, resolved_scheme, splitter_seed
from sweep.spec.model import SweepSpec

_TITLES = {"torch": "PyTorch", "keras": "Keras"}
_NEEDS = {
    "torch": "It needs torch, numpy, pandas and scikit-learn.",
    "keras": "It needs Keras 3, a backend (KERAS_BACKEND=torch, jax or tensorflow), numpy, pandas and scikit-learn.",
}
_SEEDING = {"torch": "torch.manual_seed(SEED)", "keras": "keras.utils.set_random_seed(SEED)"}
_OF_CLASSES = {
    "stratified": "StratifiedKFold",
    "kfold": "KFold",
    "group": "StratifiedGroupKFold",
    "timeseries": "TimeSeriesSplit",
}
_OF_NUMBERS = {**_OF_CLASSES, "group": "GroupKFold"}


def to_script(summary: SweepSummary, source: ReadAgain, framework: Framework) -> str:
    """The best configuration as a script.

    Args:
        summary: Of the sweep.
        source: Its table.
        framework: What trains.

    Raises:
        NotFoundError: No trial has finished.
        UserError: A column of the table is written in a way that scripts do not read.
    """
    best, spec, info = best_of(summary), summary.spec, source.encoded.info
    scheme = resolved_scheme(spec.validation, info.task, grouped=source.encoded.groups is not None)
    columns = script_columns(source, spec.data, grouped=scheme == "group")
    splitters = _OF_NUMBERS if info.task == "regression" else _OF_CLASSES
    constants = [
        *columns.constants,
        "",
        *training_constants(spec, best.hyperparameters, best.epoch, _batch_size(spec, source)),
        "",
        *_validation_constants(spec, scheme),
    ]
    rendered = _template(framework).render(
        source=Source,
        docstring=Source(_docstring(summary, framework, columns.facts["example_file"])),
        constants=[Source(line) for line in constants],
        scheme=scheme,
        splitter=Source(splitters[scheme]),
        seeding=Source(_SEEDING[framework]),
        **columns.facts,
        **network_facts(spec, best.hyperparameters, best.epoch, info, framework),
    )
    return rendered.rstrip() + "\n"


def _docstring(summary: SweepSummary, framework: Framework, file: str) -> str:
    """What it is, what it scored, how it is run; ends with a line break."""
    best, trials = best_of(summary), len(summary.trials)
    chosen = "" if trials < 2 else f", which was chosen for being the best of {trials:,}"
    if summary.chosen is not None:
        chosen = f", which was chosen for being the best of {summary.chosen.trials:,}"
    stopped = [f"The trial was stopped early, after epoch {best.trained}."] if best.pruned else []
    how = wording.placement(best.placement)
    parts = [
        [f"The best network of the sweep {summary.name} (trial {best.number}, {how}), in {_TITLES[framework]}."],
        [f"Cross-validates it on the table: python best.py {file}", _NEEDS[framework]],
        [*facts(summary), *stopped],
        [
            "The folds are those of the sweep. Initial weights, the order of rows and what is dropped are drawn anew, "
            f"so that the score differs by chance: expect the honest one rather than the raw one{chosen}."
        ],
    ]
    wrapped = [
        "\n".join(
            in_docstring(line)
            for sentence in part
            for line in textwrap.wrap(sentence, WIDTH - 3, break_long_words=False, break_on_hyphens=False)
        )
        for part in parts
    ]
    return "\n\n".join(wrapped) + "\n"


def _validation_constants(spec: SweepSpec, scheme: Scheme) -> list[str]:
    validation = spec.validation
    lines = [assignment("FOLDS", validation.folds)]
    if scheme != "timeseries":
        seeds = [splitter_seed(spec.seed, repeat) for repeat in range(validation.repeats)]
        lines.append(assignment("SPLIT_SEEDS", seeds, "one for each time that the rows are divided into folds"))
    return [*lines, assignment("SEED", spec.seed % 2**32, "of all that is drawn in training")]


def _batch_size(spec: SweepSpec, source: ReadAgain) -> int:
    """Rows of a mini-batch: never more than the longest fold has for training, which has at least half of them all."""
    wanted = spec.training.batch_size
    if 2 * wanted <= source.encoded.info.rows:
        return wanted
    return min(wanted, make_folds(spec.validation, from_encoded(source.encoded), spec.seed).longest)


@cache
def _template(framework: Framework) -> Template:
    return environment().get_template(f"{framework}.py.j2")


def environment() -> Environment:
    """Of the templates: what they insert becomes a literal."""
    return Environment(  # noqa: S701 - Python, not HTML: literals are escaped by `finalize`
        loader=FileSystemLoader(Path(__file__).with_name("templates")),
        finalize=literal,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
