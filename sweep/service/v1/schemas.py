"""What the REST API takes and gives, with the words of its OpenAPI document."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal, Self

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field

from sweep.operate.orders import PRIORITIES
from sweep.operate.overview import Glance
from sweep.service.bodies import MOST_TEXT
from sweep.spec.source import source_name
from sweep.store.rows import TrialRecord
from sweep.store.service_rows import JobRecord, LogRecord, RunnerRecord
from sweep.tables.sources import without_folder

NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$"
"""Of a sweep."""

ID = r"^[0-9a-f]{32}$"
"""Of a job or an upload."""

MOST_TRIALS = 1_000_000

SweepName = Annotated[str, Path(pattern=NAME, description="Of the sweep.", examples=["sonar"])]
State = Literal["queued", "running", "paused", "done", "cancelled", "failed", "orphaned"]
Format = Literal["toml", "json", "python", "keras", "onnx", "sklearn", "predictions", "model"]


class Out(BaseModel):
    """What is given."""

    # All of its fields are always there: whoever reads the document may rely on them.
    model_config = ConfigDict(json_schema_serialization_defaults_required=True)


class In(BaseModel):
    """What is taken: a field that there is not is a mistake."""

    model_config = ConfigDict(extra="forbid")


# --- jobs -------------------------------------------------------------------------------------------------------------


class JobFile(Out):
    """A file that a job gave."""

    name: str = Field(description="Without folders.", examples=["sonar.onnx"])
    media_type: str
    href: str = Field(description="Where it is.")


class Job(Out):
    """Something asked of runners that is not a sweep."""

    id: str
    kind: Literal["estimate", "export", "fit", "answer"]
    sweep: str | None = Field(description="Name of the sweep that it is about.")
    state: Literal["queued", "running", "done", "failed"]
    progress: str | None = Field(description="How far it is, in words.")
    reason: str | None = Field(description="Why it failed.")
    result: dict[str, Any] | None = Field(description="What it gave, beside a file.")
    file: JobFile | None
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, job: JobRecord) -> Self:
        """From what is stored."""
        file = None
        if job.state == "done" and job.file_name is not None:
            media_type = job.media_type or "application/octet-stream"
            file = JobFile(name=job.file_name, media_type=media_type, href=f"/v1/jobs/{job.id}/file")
        return cls(
            id=job.id,
            kind=job.kind,
            sweep=job.sweep,
            state=job.state,
            progress=job.progress,
            reason=job.reason,
            result=None if job.result is None else dict(job.result),
            file=file,
            created_at=job.created_at,
            updated_at=job.updated_at,
        )


# --- sweeps -----------------------------------------------------------------------------------------------------------


class Trials(Out):
    """Trials by what became of them."""

    budget: int = Field(description="Finished trials wanted.")
    complete: int
    pruned: int = Field(description="Stopped early.")
    failed: int
    running: int


class Epochs(Out):
    """Epochs of the finished trials."""

    trained: int
    full: int = Field(description="Without pruning.")


class Leader(Out):
    """The best trial of a placement so far."""

    trial: int
    score: float = Field(description="Raw: the best of many is too good by its luck.")
    diverged: int | None = Field(description="Epoch at which some fold was first seen non-finite.")
    rates: list[float] = Field(description="Dropout rate of the input, then of each hidden layer; 0 without dropout.")


class Headline(Out):
    """An answer in a sentence."""

    headline: str
    created_at: datetime


class Sweep(Out):
    """How far a sweep is."""

    name: str
    state: State = Field(description='"orphaned" when its study was deleted or renamed elsewhere.')
    trials: Trials
    epochs: Epochs
    metric: str = Field(description="That chooses.", examples=["accuracy"])
    source: str = Field(description="The table, as its definition names it; a file without its folder.")
    created_at: datetime
    updated_at: datetime = Field(description="When a trial was last saved.")
    holder: str | None = Field(description="Who runs it, in words.")
    reason: str | None = Field(description="Why it failed.")
    best: dict[str, Leader] = Field(description="By placement; raw scores of complete trials.")
    maximize: bool = Field(description="Whether a higher score is better.")
    answer: Headline | None = Field(description="The stored answer, while it is that of the sweep's winners.")
    jobs: list[Job] = Field(description="That are queued or running.")
    study: int | None = Field(
        description="Id of its Optuna study in the dashboard's addresses; null before it begins or once it is gone."
    )

    @classmethod
    def of(cls, glance: Glance) -> Self:
        """From what was read."""
        status, answer = glance.status, glance.answer
        reason = None if status.reason is None else without_folder(status.reason, status.source)
        return cls(
            **status.to_dict() | {"source": source_name(status.source), "reason": reason},
            best={
                name: Leader(trial=one.trial, score=one.score, diverged=one.diverged, rates=list(one.rates))
                for name, one in glance.best.items()
            },
            maximize=glance.maximize,
            answer=None if answer is None else Headline(headline=answer.headline, created_at=answer.created_at),
            jobs=[Job.of(job) for job in glance.jobs],
            study=glance.study,
        )


class Sweeps(Out):
    """Some of the sweeps."""

    sweeps: list[Sweep]
    total: int = Field(description="How many there are, on all pages.")
    states: dict[State, int] = Field(description="How many of each state match the search.")


class NewSweep(In):
    """A sweep to be queued."""

    definition: str = Field(
        max_length=MOST_TEXT,
        description="TOML.",
        examples=['format = 1\nname = "iris"\n[data]\nsource = "sklearn:iris"\n[search]\ntrials = 24\n'],
    )
    upload: str | None = Field(default=None, pattern=ID, description="Of the table, if it was handed in.")
    priority: int = Field(default=0, ge=PRIORITIES[0], le=PRIORITIES[-1], description="Runners take the highest first.")
    name: str | None = Field(default=None, pattern=NAME, description="In place of the definition's own.")
    trials: int | None = Field(default=None, ge=1, le=MOST_TRIALS, description="In place of search.trials.")


class More(In):
    """More trials."""

    trials: int = Field(ge=1, le=MOST_TRIALS, description="In all: more than the sweep has.", examples=[256])


class Done(Out):
    """What came of it."""

    said: str = Field(description="In a sentence.", examples=["the sweep sonar is queued for a `sweep runner`"])
    sweep: Sweep


class Hyperparameters(Out):
    """The configuration of one trial."""

    hidden: list[int]
    placement: str
    dropout: list[float] = Field(description="Of dropping: the input, then each hidden layer.")
    learning_rate: float
    momentum: float
    max_norm: float | None
    lr_decay: float
    weight_decay: float


class Trial(Out):
    """A finished trial."""

    number: int
    placement: str
    params: Hyperparameters
    score: float = Field(description="Raw, mean over folds; of a pruned trial at an epoch before its end.")
    epoch: int = Field(description="Chosen.")
    trained: int = Field(description="Epochs it was trained for.")
    diverged: int | None = Field(description="Epoch at which some fold was first seen non-finite.")
    seconds: float

    @classmethod
    def of(cls, trial: TrialRecord) -> Self:
        """From what is stored."""
        return cls(
            number=trial.number,
            placement=trial.hyperparameters.placement,
            params=Hyperparameters(**trial.hyperparameters.to_dict()),
            score=trial.score,
            epoch=trial.epoch,
            trained=trial.trained,
            diverged=trial.diverged,
            seconds=trial.seconds,
        )


class TrialList(Out):
    """Some of the finished trials, by number."""

    trials: list[Trial]


class Line(Out):
    """Something that happened to a sweep."""

    id: int = Field(description="Grows with time.")
    level: Literal["info", "warning"]
    trial: int | None
    said: str
    at: datetime

    @classmethod
    def of(cls, line: LogRecord) -> Self:
        """From what is stored."""
        return cls(id=line.id, level=line.level, trial=line.trial, said=line.said, at=line.at)


class Log(Out):
    """The log of a sweep, oldest line first."""

    lines: list[Line]


# --- results ----------------------------------------------------------------------------------------------------------


class Honest(Out):
    """A score corrected for choosing, with its 95 % interval."""

    value: float
    low: float
    high: float


class ChosenIn(Out):
    """The sweep that a configuration was chosen in."""

    sweep: str
    trials: int


class Best(Out):
    """The best configuration, as ``sweep best --json`` has it: nulls before the first trial."""

    name: str
    metric: str
    trial: int | None
    score: float | None = Field(description="Raw.")
    honest_score: Honest | None
    chosen_in: ChosenIn | None
    placement: str | None
    params: Hyperparameters | None
    epoch: int | None


class Answer(Out):
    """The answer, as ``sweep answer --json`` has it; docs/answer.md has its other fields."""

    model_config = ConfigDict(extra="allow")

    name: str
    metric: str
    sentence: str
    arms: list[dict[str, Any]]


class Figure(Out):
    """A figure for Plotly. Names of CSS variables stand in place of colours."""

    key: str
    title: str
    caption: str
    alt: str = Field(description="The same in words.")
    figure: dict[str, Any] = Field(description='"data" and "layout".')


class Figures(Out):
    """The figures of a sweep; none before its first trial."""

    version: str
    figures: list[Figure]


class Question(In):
    """What an answer shall have."""

    repeats: int | None = Field(default=None, ge=2, le=1000, description="Of fresh folds, in all.")
    rules: bool = Field(default=False, description="Whether rules of thumb are checked, too.")
    nested: bool = Field(default=False, description="Whether nested cross-validation is run, too.")
    outer: int | None = Field(default=None, ge=2, le=100, description="Its outer folds.")


class Export(In):
    """The best configuration in another form."""

    format: Format
    trial: int | None = Field(default=None, ge=0, description="Of predictions and models: in place of the best one.")
    ensemble: int | None = Field(default=None, ge=1, le=100, description="Networks, where there can be several.")


class Runner(Out):
    """A runner that was heard of within the last hour."""

    host: str
    pid: int
    workers: str = Field(description="Where its blocks run, in words.")
    doing: str | None = Field(description="Name of the sweep that it runs.")
    up: float = Field(description="Seconds since it began.")
    silent: float = Field(description="Seconds since it was last heard of.")

    @classmethod
    def of(cls, runner: RunnerRecord) -> Self:
        """From what is stored."""
        return cls(
            host=runner.host,
            pid=runner.pid,
            workers=runner.workers,
            doing=runner.doing,
            up=max(0.0, runner.up),
            silent=max(0.0, runner.silent),
        )


class Runners(Out):
    """Who is at work here."""

    runners: list[Runner]
