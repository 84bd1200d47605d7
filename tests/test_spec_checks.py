"""What a definition may not say, and how it is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from sweep.errors import DefinitionError
from sweep.spec.checks import BOUNDS
from sweep.spec.definition import parse
from sweep.spec.model import Fixed
from sweep.training.draws import keep_probability

MINIMAL = 'name = "a"\n[data]\nsource = "x.csv"\n'


def problems(text: str, *overrides: str) -> list[str]:
    with pytest.raises(DefinitionError) as caught:
        parse(text, Path("studies/x.toml"), overrides)
    return list(caught.value.problems)


def problem(body: str) -> str:
    """The only problem of a minimal definition with more keys."""
    found = problems(f"{MINIMAL}{body}")
    assert len(found) == 1, found
    return found[0]


def test_all_problems_come_at_once_in_our_words() -> None:
    found = problems(
        """
        name = "a b"
        sed = 3
        [data]
        sorce = "x"
        target = 1.5
        positive = true
        [network]
        hidden = [60, 0, true]
        activation = "rulu"
        [space]
        dropout = { low = 0.1, high = 1.5 }
        momentum = { low = 0.5, hgih = 0.9 }
        learning_rate = { low = 0.0, high = 1, log = true }
        max_norm = "of"
        weight_decay = nan
        [search]
        trials = true
        pruner = "medain"
        """,
        "training.epochs=twenty",
        "space.x",
    )
    place = "(studies/x.toml)"
    assert set(found) == {
        'an override must read key.path=value, however: "space.x" (--set)',
        "name must be 1 to 100 letters, digits, dots, hyphens and underscores, the first a letter or digit, "
        f'however: "a b" {place}',
        f"sed must be a known key (did you mean seed?), however: 3 {place}",
        f"data.source must be given, however: it is not there {place}",
        f'data.sorce must be a known key (did you mean source?), however: "x" {place}',
        f"data.target must be a column name or a position such as -1, however: 1.5 {place}",
        f"data.positive must be a class label, as text or a whole number, however: true {place}",
        f"network.hidden[1] must be at least 1, however: 0 {place}",
        f"network.hidden[2] must be a whole number, however: true {place}",
        f'network.activation must be one of relu, tanh, sigmoid (did you mean relu?), however: "rulu" {place}',
        'training.epochs must be a whole number, however: "twenty" (--set)',
        f"space.dropout.high must be below 1, however: 1.5 {place}",
        f"space.momentum.high must be given, however: it is not there {place}",
        f"space.momentum.hgih must be a known key (did you mean high?), however: 0.9 {place}",
        f"space.learning_rate.low must be above 0, however: 0.0 {place}",
        'space.max_norm must be a number, "off", { low, high, log, step } or { choices = [..] }, '
        f'however: "of" {place}',
        f"space.weight_decay must be finite, however: NaN {place}",
        f"search.trials must be a whole number, however: true {place}",
        f'search.pruner must be one of none, halving, median (did you mean median?), however: "medain" {place}',
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[network]\nhidden = []", "network.hidden must not be empty, however: []"),
        ("[network]\nhidden = 60", "network.hidden must be a list of widths such as [60, 30]"),
        ("[network]\nhidden = [99999]", "network.hidden[0] must be at most 16384"),
        ("[network]\nhidden = { choices = [[3], [3]] }", "network.hidden.choices[1] must not be listed twice"),
        ("[network]\nhidden = { choice = [[3]], choices = [[3]] }", "network.hidden.choice must be a known key"),
        ("[training]\nepochs = 0", "training.epochs must be at least 1"),
        ("[training]\nbatch_size = 8.0", "training.batch_size must be a whole number"),
        ("[training]\ncheckpoints = 0", "training.checkpoints must be at least 1"),
        ('[training]\nnesterov = "no"', "training.nesterov must be true or false"),
        ("[validation]\nfolds = 1", "validation.folds must be at least 2"),
        ("[validation]\nrepeats = 0", "validation.repeats must be at least 1"),
        ('[validation]\nscheme = "group"', 'data.groups must be given for validation.scheme = "group", however: it'),
        ('[validation]\nscheme = "timeseries"\nrepeats = 2', "validation.repeats must be 1 for timeseries"),
        ('[validation]\nmetric = "acuracy"', "(did you mean accuracy?), however"),
        ("[search]\nbatch = 0", "search.batch must be at least 1"),
        ("[search]\ntrails = 3", "search.trails must be a known key (did you mean trials?), however: 3"),
        (
            "[search]\nzzz = 3",
            "search.zzz must be a known key (trials, batch, allocation, sampler, pruner, reduction, lag)",
        ),
        ("[search]\nreduction = 1", "search.reduction must be at least 2, however: 1"),
        ("[search]\nreduction = 3.0", "search.reduction must be a whole number, however: 3.0"),
        ("[search]\nlag = -1", "search.lag must be at least 0, however: -1"),
        ("[search]\nlag = 9", "search.lag must be at most 8, however: 9"),
        (
            '[training]\ncheckpoints = 1\n[search]\npruner = "halving"',
            'training.checkpoints must be at least 2 for search.pruner = "halving" (trials are compared before the '
            "last epoch), however: 1",
        ),
        (
            '[training]\nepochs = 1\n[space]\nlr_decay = 1.0\n[search]\npruner = "median"',
            'training.epochs must be at least 2 for search.pruner = "median"',
        ),
        (
            '[training]\nepochs = 60\ncheckpoints = 3\n[search]\npruner = "halving"\nreduction = 7',
            'search.reduction must be at most 6 for search.pruner = "halving" with the first checkpoint at epoch 20 of '
            "60, however: 7",
        ),
        ("[space]\ndropout = true", "space.dropout must be a number, { low"),
        ("[space]\ndropout = 1", "space.dropout must be below 1, however: 1.0"),
        (
            "[space]\ndropout = 0",
            "space.dropout must be at least 0.0001 (the placement none is the one without dropout), however: 0.0",
        ),
        ("[space]\ndropout = 0.00001", "space.dropout must be at least 0.0001 (the placement none"),
        ("[space]\ndropout = { low = 0, high = 0.5 }", "space.dropout.low must be at least 0.0001 (the placement none"),
        (
            "[space]\ndropout = { choices = [0.1, 0] }",
            "space.dropout.choices[1] must be at least 0.0001 (the placement",
        ),
        ("[space.dropout_layers]\ninput = 0", "space.dropout_layers.input must be at least 0.0001 (the placement"),
        ("[space]\ndropout = { low = 0.5, high = 0.5 }", "space.dropout.high must be above low, 0.5"),
        (
            "[space]\nweight_decay = { low = 0.0, high = 0.5, log = true }",
            "space.weight_decay.low must be above 0 on a",
        ),
        ("[space]\ndropout = { low = 0.1, high = 0.5, step = 0.3 }", "space.dropout.step must divide the distance"),
        ("[space]\ndropout = { low = 0.1, high = 0.5, step = -0.1 }", "space.dropout.step must be above 0"),
        ("[space]\ndropout = { choices = [] }", "space.dropout.choices must not be empty"),
        ("[space]\ndropout = { choices = [0.1, 0.2, 0.1] }", "space.dropout.choices[2] must not be listed twice"),
        ("[space]\ndropout = { chioces = [0.1], choices = [0.1] }", "space.dropout.chioces must be a known key"),
        ("[space]\nlearning_rate = 0", "space.learning_rate must be above 0"),
        (
            "[space]\nlearning_rate = { low = 0.1, high = 0.5, log = true, step = 0.1 }",
            "space.learning_rate.step must not be given together with log",
        ),
        ("[space]\nmomentum = { choices = [0.5, 1.0] }", "space.momentum.choices[1] must be below 1"),
        ("[space]\nmax_norm = { low = 0, high = 5 }", "space.max_norm.low must be above 0, however: 0"),
        ('[space]\nmax_norm = { choices = [1, "of"] }', 'space.max_norm.choices[1] must be a number, "off"'),
        ('[space]\nmomentum = "off"', "space.momentum must be a number"),
        ("[space]\nlr_decay = 1.5", "space.lr_decay must be at most 1"),
        ("[space]\nlr_decay = 0", "space.lr_decay must be above 0"),
        ("[space]\nweight_decay = -1", "space.weight_decay must be at least 0"),
        ("[space]\nplacement = 3", 'space.placement must be a placement such as "all"'),
        ('[space]\nplacement = "hiden"', "space.placement must be none, input, hidden, all, a layer"),
        ('[space]\nplacement = "hidden3"', "must name layers that exist (input, hidden1, hidden2), however"),
        ('[space]\nplacement = "hidden+hidden1"', "space.placement must name each layer once"),
        (
            '[space]\nplacement = { choices = ["all", "input+hidden"] }',
            'space.placement.choices[1] must differ from all, which means the same layers, however: "input+hidden"',
        ),
        ("[space.dropout_layers]\nhidden3 = 0.1", "space.dropout_layers.hidden3 must be a layer (input, hidden1"),
        ("[space.dropout_layers]\ninput = 1.5", "space.dropout_layers.input must be below 1"),
        ("[space]\nshared = true\ndropout_layers = { input = 0.1 }", "space.shared must be false when dropout_layers"),
        (
            '[space]\nplacement = { choices = ["none", "input"] }\ndropout_layers = { hidden1 = 0.1 }',
            "space.dropout_layers.hidden1 must be a layer that a placement drops units of (input), however",
        ),
        (
            '[space]\nplacement = "none"\ndropout_layers = { hidden1 = 0.1 }',
            "space.dropout_layers.hidden1 must not be given when no placement has dropout",
        ),
        ("[training]\nepochs = 1", "space.lr_decay must be one value for training.epochs = 1 (it acts from the second"),
        (
            "[chosen]\nsweep = 3\ntrials = 1\ncontent_hash = 'a'\nfingerprint = 'b'",
            "chosen.sweep must be 1 to 100 letters, digits",
        ),
        (
            "[chosen]\nsweep = 'm'\ntrials = 1\ncontent_hash = 'a'\nfingerprint = 'b'\n"
            "honest_score = { value = 1, low = 0, high = 2, hihg = 3 }",
            "chosen.honest_score.hihg must be a known key (did you mean high?)",
        ),
        ("format = 2", "format must be one of 1, however: 2"),
        ("format = true", "format must be the whole number 1, however: true"),
        ("format = 1.0", "format must be the whole number 1, however: 1.0"),
        ("seed = -1", "seed must be at least 0"),
        ("seed = 4294967296", "seed must be at most 4294967295"),
    ],
)
def test_what_is_refused(body: str, said: str) -> None:
    head = body if body.startswith(("format", "seed")) else ""
    found = problems(f"{head}\n{MINIMAL}{'' if head else body}")
    assert len(found) == 1, found
    assert said in found[0]
    assert found[0].endswith("(studies/x.toml)")


@pytest.mark.parametrize(
    ("data", "more", "said"),
    [
        ('task = "regression"\npositive = 1', "", 'data.positive must not be given for regression, however: "1"'),
        ('task = "regression"', '[training]\nclass_weight = "balanced"', "training.class_weight must be none for"),
        ('task = "regression"', '[validation]\nscheme = "stratified"', "validation.scheme must not be stratified"),
        ('task = "regression"', '[validation]\nmetric = "f1"', "validation.metric must be one of rmse, mae, r2"),
        ('task = "classification"', '[validation]\nmetric = "r2"', "validation.metric must be one of accuracy"),
        ('groups = "g"', '[validation]\nscheme = "kfold"', "validation.scheme must be auto or group when data.groups"),
        ('target = "t"\ndrop = ["t"]', "", "data.drop must not name the target"),
        ('target = "t"\ngroups = "t"', "", "data.groups must not be the target"),
        ('groups = "g"\ndrop = ["g"]', "", "data.drop must not name the column of data.groups"),
        ('drop = ["c"]\ncategorical = ["c"]', "", "data.categorical must name features"),
        ('drop = ["c", "c"]', "", "data.drop[1] must not be listed twice"),
        ('drop = "c"', "", "data.drop must be a list"),
        ('source = ""', "", "data.source must not be empty"),
        ('source = "a\\u0000b"', "", "data.source must not contain the character NUL"),
        ("dropout_layers = 3", "", "data.dropout_layers must be a known key"),
    ],
)
def test_keys_that_must_go_together(data: str, more: str, said: str) -> None:
    source = "" if "source" in data else 'source = "x"\n'
    found = problems(f"[data]\n{source}{data}\n{more}")
    assert len(found) == 1, found
    assert said in found[0]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (
            'task = "clasification"\ntarget = "y"\ndrop = ["y"]\n'
            "[space]\nlearning_rate = { low = -1, high = 1, lgo = true }",
            ["data.task", "learning_rate.lgo", "data.drop", "learning_rate.low"],
        ),
        ("[space]\nmomentum = { low = -1, hihg = 0.5 }", ["momentum.high", "momentum.hihg", "momentum.low"]),
        ('[space]\nmomentum = { low = "a", high = 2 }', ["momentum.low", "momentum.high"]),
        ("[space]\nmomentum = { low = 1, high = 0, step = true }", ["momentum.step", "momentum.low", "momentum.high"]),
        (
            '[space]\nmomentum = { choices = [0.5, "a", 3, 0.1, 0.1] }',
            ["momentum.choices[1]", "momentum.choices[4]", "momentum.choices[2]"],
        ),
        (
            '[space]\ndropout_layers = { input = "a", hidden1 = 2, hidden9 = 0.5 }',
            ["dropout_layers.input", "dropout_layers.hidden1", "dropout_layers.hidden9"],
        ),
        ("[space]\ndropout = { chioces = [0.1] }\nlr_decay = 7", ["dropout.choices", "dropout.chioces", "lr_decay"]),
        ('drop = 3\ntarget = "y"\ngroups = "y"', ["data.drop", "data.groups"]),
        (
            'scheme = 3\n[validation]\nmetric = "x"\nfolds = "x"',
            ["data.scheme", "validation.folds", "validation.metric"],
        ),
    ],
)
def test_a_problem_hides_no_other(body: str, said: list[str]) -> None:
    found = [line.split(" must")[0].removeprefix("space.") for line in problems(f"{MINIMAL}{body}")]
    assert found == [key.removeprefix("space.") for key in said]


def test_a_definition_without_any_dropout_may_say_so() -> None:
    assert parse(f'{MINIMAL}[space]\nplacement = "none"\ndropout = 0').space.dropout == Fixed(0.0)


def test_no_rate_that_is_allowed_is_rounded_to_none() -> None:
    lowest = BOUNDS["dropout"].low
    assert parse(f"{MINIMAL}[space]\ndropout = {lowest}").space.dropout == Fixed(lowest)
    assert keep_probability(lowest) == pytest.approx(1 - lowest, abs=2**-17)
    assert keep_probability(lowest) < 1


def test_one_value_of_a_decay_goes_with_one_epoch() -> None:
    for decay in ("1.0", "{ choices = [0.5] }"):
        parse(f"{MINIMAL}[training]\nepochs = 1\n[space]\nlr_decay = {decay}")


def test_subsets_need_networks_of_one_depth_and_not_too_deep() -> None:
    body = '[space]\nplacement = "subsets"\n[network]\nhidden = '
    assert "list of placements when network.hidden has candidates" in problem(f"{body}{{ choices = [[3], [3, 4]] }}")
    assert "list of placements beyond 6 hidden layers" in problem(f"{body}[1, 1, 1, 1, 1, 1, 1]")
    spec = parse(f"{MINIMAL}{body}[3, 4]")
    assert spec.space.placements == (
        *("none", "input", "hidden1", "hidden2"),
        *("input+hidden1", "input+hidden2", "hidden", "all"),
    )


def test_placements_are_checked_at_every_depth() -> None:
    body = "[network]\nhidden = { choices = [[3], [3, 4]] }\n[space]\nplacement = { choices = "
    assert "choices[0] must name layers that exist (input, hidden1), how" in problem(f'{body}["hidden2"] }}')
    assert "choices[1] must differ from hidden" in problem(f'{body}["hidden", "hidden1"] }}')


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a = 1\nb = \nc = 2", "line 2, column 5: "),
        ("a = [1,", "end of document: "),
        ("a = 1\na = 2\nb = 3", "line 2, column 6: "),
        (f"a = {'1' * 5000}", "Exceeds the limit"),
        (f"a = {'[' * 5000}", "maximum recursion depth"),
    ],
)
def test_broken_toml_says_where(text: str, where: str) -> None:
    assert problems(text)[0].startswith(f"studies/x.toml must be valid TOML, however: {where}")


@pytest.mark.parametrize("text", ["data = 3", "[[data]]\nsource = 'x'", "network = 1\n[data]\nsource = 'x'", ""])
def test_a_section_that_is_no_table(text: str) -> None:
    found = problems(text)
    assert len(found) == 1
    assert "must be a table" in found[0] or "data.source must be given" in found[0]


def test_an_enormous_number_is_a_problem_not_a_crash() -> None:
    (said,) = problems(f"{MINIMAL}[space]\nmomentum = 1{'0' * 400}")
    assert said.startswith("space.momentum must be a number")
    assert len(said) < 200
