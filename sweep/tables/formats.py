"""Numbers, times and dates as people write them: ``1,234.5``, ``$1,234.50``, ``12.3 %``, ``12:05``, ``31.12.1990``.

A column is read so only where all of its cells are in one and the same format, and can mean one thing only. Otherwise
:func:`looks_like` says what it nearly was.

==========  ==========================================================================================================
numbers     separated thousands, decimal commas
amounts     a number with one currency, before or after it
percent     a number and ``%``; 12.3 % is 12.3
times       of day, with minutes and maybe seconds, 24 hours or am/pm; as hours
dates       day, month and year of four digits, maybe with a time; where the year is last, the order of day and month
            has to show in the column: some day is above 12
==========  ==========================================================================================================
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sweep.tables.types import Floats

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?")

# Other ways to write numbers: 1,234.5 and 1.234,5 or 1,5. A group of thousands never begins with 0.
_GROUPED = (
    (re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?"), ",", "."),
    (re.compile(r"(?=.*\d)[+-]?([1-9]\d{0,2}(\.\d{3})+|\d*)(,\d+)?"), ".", ","),
)
# Where all cells are like them: 1.234 € is one euro or a thousand, 1,234 % one percent or a thousand.
_ONE_OR_THOUSAND = re.compile(r"[+-]?[1-9]\d{0,2}\.\d{3}")
_ONE_OR_THOUSAND_PERCENT = re.compile(r"[+-]?[1-9]\d{0,2},\d{3}")

_CURRENCY = (
    r"[$€£¥₹₽₩₺₫฿]|(?:US|CA|AU|NZ|HK|R)\$|USD|EUR|GBP|CHF|JPY|CNY|INR|AUD|CAD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|RUB|BRL|MXN|"
    r"ZAR|KRW|TRY|SGD|HKD"
)
_AMOUNT = re.compile(
    rf"(?P<sign>[+-]?)\s*(?:(?P<before>{_CURRENCY})\s*(?P<first>[+-]?[\d.,]*\d)|(?P<last>[\d.,]*\d)\s*(?P<after>{_CURRENCY}))"
)
_PERCENT = re.compile(r"([+-]?[\d.,]*\d)\s*%")
_TIME = re.compile(r"(\d{1,2}):([0-5]\d)(:[0-5]\d(?:\.\d+)?)?(?:\s?([ap])\.?m\.?)?", re.IGNORECASE)
_CLOCK = r"(?:[ T](?P<clock>\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?))?"
_YEAR_LAST = re.compile(rf"(?P<one>\d{{1,2}})(?P<mark>[./-])(?P<two>\d{{1,2}})(?P=mark)(?P<year>\d{{4}}){_CLOCK}")
_YEAR_FIRST = re.compile(rf"(?P<year>\d{{4}})(?P<mark>[./])(?P<one>\d{{1,2}})(?P=mark)(?P<two>\d{{1,2}}){_CLOCK}")
_SHORT_YEAR = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{2}")

_KINDS = (
    ("numbers", NUMBER),
    ("amounts of money", _AMOUNT),
    ("percentages", _PERCENT),
    ("times of day", _TIME),
    ("dates", ISO_DATE),
    ("dates", _YEAR_LAST),
    ("dates", _YEAR_FIRST),
    ("dates with years of two digits", _SHORT_YEAR),
)
_SAMPLE = 200


@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """What distinct texts mean.

    Attributes:
        numbers: ``[len(texts)]`` float64; ``None`` for dates.
        dates: Dates as ISO 8601; ``None`` for numbers.
        said: How they were read, with an example.
    """

    said: str
    numbers: Floats | None = None
    dates: list[str] | None = None


def grouped(texts: Sequence[str], is_number: NDArray[np.bool_]) -> Reading | None:
    """Numbers with separated thousands or a decimal comma; ``is_number``: which are plain numbers."""
    others = [text for text, plain in zip(texts, is_number, strict=True) if not plain]
    for pattern, thousands, decimal in _GROUPED:
        # A point is something else where commas are decimal: then all must be written that way.
        if all(pattern.fullmatch(text) for text in (others if decimal == "." else texts)):
            values = [float(text.replace(thousands, "").replace(decimal, ".")) for text in texts]
            return Reading(f"{others[0]!r} is read as {values[texts.index(others[0])]:.12g}", np.array(values))
    return None


def written(texts: Sequence[str]) -> Reading | None:
    """Distinct texts as amounts, percentages, times or dates; ``None`` where they are not, or not unambiguously."""
    return _amounts(texts) or _percentages(texts) or _times(texts) or _dates(texts)


def misfits(texts: Sequence[str], counts: NDArray[np.int64]) -> tuple[str, tuple[str, ...]]:
    """The format that half of the cells or more are in, and the texts that are not.

    Args:
        texts: Distinct, at least one.
        counts: ``[len(texts)]`` cells of each.

    Returns:
        A name such as ``"percentages"``, empty if there is no such format.
    """
    sample = texts[:: max(1, len(texts) // _SAMPLE)]
    for name, pattern in _KINDS:
        if 4 * sum(1 for text in sample if pattern.fullmatch(text)) < len(sample) and len(texts) > _SAMPLE:
            continue
        fits = np.array([pattern.fullmatch(text) is not None for text in texts])
        if 2 * counts[fits].sum() >= counts.sum():
            return name, tuple(text for text, fit in zip(texts, fits, strict=True) if not fit)
    return "", ()


def looks_like(texts: Sequence[str], counts: NDArray[np.int64]) -> str:
    """What the texts of a column that was not read as numbers or dates look like, and why it was not; or nothing.

    Args:
        texts: Distinct, at least one.
        counts: ``[len(texts)]`` cells of each.
    """
    name, others = misfits(texts, counts)
    if not name or name == "numbers":  # a number among texts may be a code
        return ""
    if others:
        place = {text: int(count) for text, count in zip(texts, counts, strict=True)}
        cells = sum(place[text] for text in others)
        return f"looks like {name}, but for {cells} of {counts.sum()} cells, such as {others[0][:40]!r}"
    match name:
        case "dates" if texts[0][:4].isdecimal():
            why = "but some are no dates"
        case "dates":
            why = _why_no_dates(texts)
        case "dates with years of two digits":
            why = "which can be of two centuries: write years with four"
        case "times of day":
            why = "but some hours are above 23, or cells are written in different ways"
        case _:
            why = "but they are written in different ways, or thousands and decimals look the same"
    return f"looks like {name}, {why}"


def _amounts(texts: Sequence[str]) -> Reading | None:
    found = [_AMOUNT.fullmatch(text) for text in texts]
    matches = [match for match in found if match is not None]
    if len(matches) < len(texts) or len({match["before"] or match["after"] for match in matches}) > 1:
        return None
    return _numbers(texts, [match["sign"] + (match["first"] or match["last"]) for match in matches], _ONE_OR_THOUSAND)


def _percentages(texts: Sequence[str]) -> Reading | None:
    matches = [match for text in texts if (match := _PERCENT.fullmatch(text))]
    if len(matches) < len(texts):
        return None
    return _numbers(texts, [match[1] for match in matches], _ONE_OR_THOUSAND_PERCENT)


def _numbers(texts: Sequence[str], bare: list[str], unclear: re.Pattern[str]) -> Reading | None:
    """``bare``: the texts without what stands around their numbers; all ``unclear`` ones can mean two things."""
    if all(unclear.fullmatch(text) for text in bare):
        return None
    is_number = np.array([NUMBER.fullmatch(text) is not None for text in bare])
    if is_number.all():
        values = np.array([float(text) for text in bare])
    elif (reading := grouped(bare, is_number)) is not None and reading.numbers is not None:
        values = reading.numbers
    else:
        return None
    return Reading(f"{texts[0]!r} is read as {values[0]:.12g}", values)


def _times(texts: Sequence[str]) -> Reading | None:
    matches = [match for text in texts if (match := _TIME.fullmatch(text))]
    if len(matches) < len(texts) or len({(bool(match[3]), bool(match[4])) for match in matches}) > 1:
        return None
    halves = bool(matches[0][4])
    hours = np.array([int(match[1]) for match in matches])
    if (halves and not (hours.min() >= 1 and hours.max() <= 12)) or hours.max() > 23:
        return None
    if halves:
        hours = hours % 12 + np.array([12 if match[4].lower() == "p" else 0 for match in matches])
    minutes = np.array([int(match[2]) for match in matches])
    seconds = np.array([float(match[3][1:]) if match[3] else 0.0 for match in matches])
    values: Floats = (3600 * hours + 60 * minutes + seconds) / 3600
    return Reading(f"times of day, {texts[0]!r} is read as {values[0]:.4g} hours", values)


def _dates(texts: Sequence[str]) -> Reading | None:
    for pattern in (_YEAR_LAST, _YEAR_FIRST):
        matches = [match for text in texts if (match := pattern.fullmatch(text))]
        if len(matches) < len(texts) or len({match["mark"] for match in matches}) > 1:
            continue
        # Nobody writes year, day, month.
        day_first = _day_first(matches) if pattern is _YEAR_LAST else False
        if day_first is None:
            return None
        day, month = ("one", "two") if day_first else ("two", "one")
        dates = [
            f"{match['year']}-{int(match[month]):02d}-{int(match[day]):02d}T{match['clock'] or '00:00'}"
            for match in matches
        ]
        # The example shows the order: its day is above 12.
        shown = next((place for place, match in enumerate(matches) if int(match[day]) > 12), 0)
        return Reading(f"dates, {texts[shown]!r} is read as {dates[shown].removesuffix('T00:00')}", dates=dates)
    return None


def _day_first(matches: Sequence[re.Match[str]]) -> bool | None:
    """Whether the day comes first, the month, or (``None``) nobody can tell."""
    first, second = (max(int(match[part]) for match in matches) for part in ("one", "two"))
    return None if (first > 12) == (second > 12) else first > 12


def _why_no_dates(texts: Sequence[str]) -> str:
    matches = [match for text in texts if (match := _YEAR_LAST.fullmatch(text))]
    if len({match["mark"] for match in matches}) > 1:
        return "but they are written in different ways"
    above = [max(int(match[part]) for match in matches) > 12 for part in ("one", "two")]
    if not any(above):
        return f"but nobody can tell day from month: no day is above 12; write {matches[0]['year']}-12-31"
    return "but days and months stand in different orders" if all(above) else "but some are no dates"
