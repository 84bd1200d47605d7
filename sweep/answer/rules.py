"""Rules of thumb of the dropout literature, each as paired comparisons around a sweep's best network with dropout.

Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov (2014), *Dropout: a simple way to prevent neural networks from
overfitting*, JMLR 15, appendix A, "A practical guide for training dropout networks"; and the tips of Brownlee's Keras
tutorial on the Sonar data (2016), which repeats them.

What a rule says nothing of stays as it is in the best network with dropout. Rules of hidden units start from the best
one that drops hidden units. Rules of the learning rate and of momentum train to the last epoch on both sides: an epoch
is chosen for its learning rate, and a decay that is cut short is none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sweep import wording
from sweep.answer.around import MOST, OUTSIDE, START, Around, at_rate, changed, dropping, percent, wider
from sweep.answer.choose import Choice
from sweep.records import Configuration

PAPER = "Srivastava et al. 2014, appendix A"
TUTORIAL = "Brownlee's Sonar tutorial"

HIGHER = (10, 100)  # times the learning rate of the best network without dropout
LOW_MOMENTUM, HIGH_MOMENTUM, HIGHEST_MOMENTUM = 0.5, 0.95, 0.99
MAX_NORM = 4.0

Labelled = tuple[str, Configuration]


@dataclass(frozen=True, slots=True)
class Contrast:
    """A difference of scores that a rule makes.

    Attributes:
        what: What is compared with what, in words.
        terms: Weight, label and configuration; the weights sum to 0. Positive where the rule is right.
        decides: Whether the outcome rests on it.
    """

    what: str
    terms: tuple[tuple[float, str, Configuration], ...]
    decides: bool = True

    @property
    def sides(self) -> tuple[tuple[Configuration, ...], ...]:
        """Those between which something can be learned only if one of them has learned anything.

        Of a difference of two differences each is a side: between networks that all answer a constant there is none.
        """
        every = tuple(configuration for _, _, configuration in self.terms)
        return (every[:2], every[2:]) if len(every) == 4 else (every,)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule of thumb.

    Attributes:
        key: Its short name.
        statement: What it says, a sentence without its full stop.
        source: Where it is from.
        contrasts: How it is checked, those that decide first. None where it cannot be checked here.
        notes: What else to know, a sentence each.
    """

    key: str
    statement: str
    source: str
    contrasts: tuple[Contrast, ...]
    notes: tuple[str, ...] = ()

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """All that have to be trained, each once."""
        every = (configuration for contrast in self.contrasts for _, _, configuration in contrast.terms)
        return tuple({one.key: one for one in every}.values())


def rules_of(choice: Choice, epochs: int, *, maximize: bool) -> tuple[Rule, ...]:
    """All rules, around a sweep's winners.

    Args:
        choice: Its winners, at least one with dropout.
        epochs: Of the sweep's training.
        maximize: Whether a higher score is better.
    """
    around = Around.of(choice, epochs, maximize=maximize)
    return tuple(_noted(rule(around), around.own) for rule in _RULES)


# --- the rules --------------------------------------------------------------------------------------------------------


def _range_of_rates(around: Around) -> Rule:
    start, most, outside = (at_rate(around, rate) for rate in (START, MOST, OUTSIDE))
    inside = ((0.5, percent(START), start), (0.5, percent(MOST), most))
    either = f"{percent(START)} and {percent(MOST)} (mean)"
    return Rule(
        "rates",
        "Rates of 20 to 50 % do better than none and than higher ones",
        f"{PAPER}.4; {TUTORIAL}",
        (
            Contrast(f"{either} against none", (*inside, (-1.0, "none", around.best.matched))),
            Contrast(f"{either} against {percent(OUTSIDE)}", (*inside, (-1.0, percent(OUTSIDE), outside))),
            _pair((percent(MOST), most), ("none", around.best.matched), decides=False),
        ),
        (_same_rate(around),),
    )


def _start(around: Around) -> Rule:
    start = percent(START), at_rate(around, START)
    return Rule(
        "start",
        "20 % is a good start",
        TUTORIAL,
        (
            _pair(start, ("none", around.best.matched)),
            _pair(start, (percent(MOST), at_rate(around, MOST)), decides=False),
            _pair(start, ("the rates that were found", around.own), decides=False),
        ),
        (_same_rate(around),),
    )


def _inputs_too(around: Around) -> Rule:
    base = around.dropping_hidden
    rates = base.params.dropout
    own = rates[0] or around.own.params.dropout[0]
    both = "inputs and hidden units", dropping(base, (own or START, *rates[1:]))
    hidden = "hidden units alone", dropping(base, (0.0, *rates[1:]))
    inputs = "inputs alone", dropping(base, (own or START, *(0.0 for _ in rates[1:])))
    notes = around.hidden_notes()
    if not own:
        notes.append(f"The best networks drop no inputs: here {percent(START)} of them are dropped.")
    return Rule(
        "inputs too",
        "Drop inputs as well as hidden units",
        TUTORIAL,
        (_pair(both, hidden), _pair(both, inputs, decides=False)),
        tuple(notes),
    )


def _inputs_less(around: Around) -> Rule:
    base = around.dropping_hidden
    hidden = len(base.params.hidden)
    less, more = (dropping(base, (inputs, *(rate,) * hidden)) for inputs, rate in ((START, MOST), (MOST, START)))
    return Rule(
        "inputs less",
        "Drop fewer inputs than hidden units",
        f"{PAPER}.4",
        (_pair((f"{percent(START)} of inputs, {percent(MOST)} of hidden units", less), ("the reverse", more)),),
        tuple(around.hidden_notes()),
    )


def _larger(around: Around) -> Rule:
    statement, source = "A larger network pays off more with dropout", f"{PAPER}.1; {TUTORIAL}"
    own, matched = around.own, around.best.matched
    wide, notes = wider(own, [2.0] * len(own.params.hidden))
    if wide == own:
        return Rule("larger", statement, source, (), tuple(notes))
    without = replace(wide, params=replace(matched.params, hidden=wide.params.hidden))
    with_dropout = ("twice as wide, with dropout", wide), ("the width that was found, with dropout", own)
    bare = ("twice as wide, without", without), ("the width that was found, without", matched)
    return Rule(
        "larger",
        statement,
        source,
        (
            _interaction("what twice the width gains with dropout against without", with_dropout, bare),
            _pair(*with_dropout, what="twice the width against the width that was found, with dropout", decides=False),
            _pair(*bare, what="the same without dropout", decides=False),
        ),
        tuple(notes),
    )


def _width(around: Around) -> Rule:
    statement, source = "Make a layer n/(1 − rate) wide where n would do without dropout", f"{PAPER}.1"
    base = around.dropping_hidden
    rates = base.params.dropout[1:]
    wide, notes = wider(base, [1 / (1 - rate) for rate in rates])
    notes = around.hidden_notes() + notes
    if wide == base:
        return Rule("width", statement, source, (), tuple(notes))
    named = tuple((" and ".join(map(str, one.params.hidden)) + " units", one) for one in (wide, base))
    return Rule("width", statement, source, (_pair(*named),), tuple(notes))


def _learning_rate(around: Around) -> Rule:
    base = around.decaying
    once = "1 ×", changed(base, learning_rate=around.rate)
    higher = [(f"{times} ×", changed(base, learning_rate=times * around.rate)) for times in HIGHER]
    return Rule(
        "learning rate",
        "Learn 10 to 100 times as fast as without dropout, with decay",
        f"{PAPER}.2; {TUTORIAL}",
        tuple(_pair(one, once, decides=place == 0) for place, one in enumerate(higher)),
        (_once(around), *around.epoch_notes()),
    )


def _momentum(around: Around) -> Rule:
    params = around.own.params
    step = params.learning_rate / (1 - params.momentum)

    def alike(momentum: float) -> Labelled:
        rate = step * (1 - momentum)
        return f"{momentum:g}", changed(around.to_the_end, momentum=momentum, learning_rate=rate)

    low = alike(LOW_MOMENTUM)
    left = [
        (f"{momentum:g} at the same learning rate", changed(around.to_the_end, momentum=momentum))
        for momentum in (HIGH_MOMENTUM, LOW_MOMENTUM)
    ]
    note = (
        f"Steps grow with 1 / (1 − momentum): the learning rate keeps them as large as those of the best network, "
        f"{wording.number(step)}, or else stays at {wording.number(params.learning_rate)}."
    )
    against = f"{HIGH_MOMENTUM:g} against {LOW_MOMENTUM:g}"
    return Rule(
        "momentum",
        "Use a high momentum, 0.9 to 0.99",
        f"{PAPER}.2; {TUTORIAL}",
        (
            _pair(alike(HIGH_MOMENTUM), low, what=f"{against}, steps as large"),
            _pair(
                alike(HIGHEST_MOMENTUM),
                low,
                what=f"{HIGHEST_MOMENTUM:g} against {low[0]}, steps as large",
                decides=False,
            ),
            _pair(*left, what=f"{against}, the same learning rate", decides=False),
        ),
        (note, *around.epoch_notes()),
    )


def _max_norm(around: Around) -> Rule:
    found = around.own.params.max_norm
    bound = f"{MAX_NORM:g}", changed(around.own, max_norm=MAX_NORM)
    contrasts = [_pair(bound, ("off", changed(around.own, max_norm=None)))]
    if found not in (None, MAX_NORM):
        contrasts.append(_pair(bound, (f"the one that was found, {wording.number(found)}", around.own), decides=False))
    return Rule("max-norm", "Bound weights by a max-norm of 3 to 5", f"{PAPER}.3; {TUTORIAL}", tuple(contrasts))


def _max_norm_and_learning_rate(around: Around) -> Rule:
    base, times = around.decaying, HIGHER[0]

    def bound_or_not(factor: int) -> tuple[Labelled, Labelled]:
        fast = changed(base, learning_rate=factor * around.rate)
        bound = f"{MAX_NORM:g} at {factor} ×", changed(fast, max_norm=MAX_NORM)
        return bound, (f"off at {factor} ×", changed(fast, max_norm=None))

    high, low = bound_or_not(times), bound_or_not(1)
    against = f"max-norm {MAX_NORM:g} against off"
    return Rule(
        "max-norm and learning rate",
        "Max-norm and a high learning rate need each other",
        f"{PAPER}.3; {TUTORIAL}",
        (
            _interaction(f"what max-norm gains at {times} × the learning rate against at 1 ×", high, low),
            _pair(*high, what=f"{against} at {times} × the learning rate", decides=False),
            _pair(*low, what=f"{against} at 1 ×", decides=False),
        ),
        (_once(around), *around.epoch_notes()),
    )


_RULES: Sequence[Callable[[Around], Rule]] = (
    _range_of_rates,
    _start,
    _inputs_too,
    _inputs_less,
    _larger,
    _width,
    _learning_rate,
    _momentum,
    _max_norm,
    _max_norm_and_learning_rate,
)


# --- contrasts --------------------------------------------------------------------------------------------------------


def _noted(rule: Rule, own: Configuration) -> Rule:
    """Without differences of a configuration and itself; and with a note on what the best network has already."""
    contrasts = tuple(
        one for one in rule.contrasts if len({configuration.key for _, _, configuration in one.terms}) > 1
    )
    terms = [term for contrast in rule.contrasts for term in contrast.terms]
    already = {label: None for _, label, one in terms if one.key == own.key and "found" not in label}
    notes = tuple(f"The best network has that already: {label}." for label in already)
    return replace(rule, contrasts=contrasts, notes=notes + rule.notes)


def _pair(x: Labelled, y: Labelled, *, what: str | None = None, decides: bool = True) -> Contrast:
    return Contrast(what or f"{x[0]} against {y[0]}", ((1.0, *x), (-1.0, *y)), decides)


def _interaction(what: str, one: tuple[Labelled, Labelled], other: tuple[Labelled, Labelled]) -> Contrast:
    """By how much more the first of a pair gains over its second in one case than in the other."""
    (a, b), (c, d) = one, other
    return Contrast(what, ((1.0, *a), (-1.0, *b), (-1.0, *c), (1.0, *d)))


def _same_rate(around: Around) -> str:
    return f"One rate for {wording.placement(around.own.params.placement).removeprefix('dropout on ')}."


def _once(around: Around) -> str:
    decay = wording.number(around.decaying.params.lr_decay)
    return (
        f"1 × is {wording.number(around.rate)}, the learning rate of the best network without dropout; it falls to "
        f"{decay} of that."
    )
