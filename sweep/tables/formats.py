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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?inf(inity)?", re.IGNORECASE)
ISO_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(Z|[+-]\d{2}:?\d{2})?")

# Keys of formats. Others are made of words: "money $ 1,234.5", "percent 1.234,5", "time 12h seconds", "date d.m.y".
PLAIN, COMMA, POINT = "1234.5", "1,234.5", "1.234,5"
SINGLE = "1234.5 single"  # numbers that are rounded to single precision, where they are the levels of a category
TRUE_FALSE = "true/false"
ISO = "date y-m-d"
SPAN = "span"

BOOLEANS = {"yes": "no", "true": "false", "t": "f", "y": "n", "on": "off"}
"""What stands for 1, and for 0; any case. The key of such a format is ``"yes/no"``."""

_WORDS = frozenset(f"{yes}/{no}" for yes, no in BOOLEANS.items())
_STYLES = (PLAIN, COMMA, POINT)

# Other ways to write numbers: 1,234.5 and 1.234,5 or 1,5. A group of thousands never begins with 0.
_GROUPED = {
    COMMA: (re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?"), ",", "."),
    POINT: (re.compile(r"(?=.*\d)[+-]?([1-9]\d{0,2}(\.\d{3})+|\d*)(,\d+)?"), ".", ","),
}
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
# As pandas writes them; days may be negative, the rest is added.
_SPAN = re.compile(
    r"(?P<days>-?\d+) days?"
    r"(?: \+?(?P<hours>\d{2}):(?P<minutes>[0-5]\d):(?P<seconds>[0-5]\d)(?:\.(?P<part>\d{1,9}))?)?"
)
_WITH_COMMA = re.compile(r"[+-]?(?:\d*,\d+|[1-9]\d{0,2}(?:\.\d{3})+(?:,\d+)?|[1-9]\d{0,2}(?:,\d{3})+(?:\.\d+)?)")
_SHORT_YEAR = re.compile(r"\d{1,2}([./-])\d{1,2}\1\d{2}")

_KINDS = (
    ("numbers", NUMBER),
    ("numbers with commas", _WITH_COMMA),
    ("amounts of money", _AMOUNT),
    ("percentages", _PERCENT),
    ("times of day", _TIME),
    ("dates", ISO_DATE),
    ("dates", _YEAR_LAST),
    ("dates", _YEAR_FIRST),
    ("dates with years of two digits", _SHORT_YEAR),
)
_SAMPLE = 200


@dataclass(frozen=True, slots=True)
class Reading:
    """How distinct texts are to be read.

    Attributes:
        format: The key of the format they are in, for :func:`read_in`.
        said: How they are read, with an example.
    """

    format: str
    said: str


def to_single(number: float) -> float:
    """The nearest number of single precision; infinite beyond its range."""
    with np.errstate(over="ignore"):
        return float(np.float32(number))


def read_in(key: str, texts: Sequence[str]) -> list[float | str | None]:
    """What texts mean in a given format: the other direction of finding a format out, and part of it.

    Args:
        key: A format: :data:`PLAIN`, :data:`SPAN` …, or one that a :class:`Reading` has. It says the format of one
            cell; what only a whole column can show (which number is the day) it has settled.
        texts: Any, without blanks around them.

    Returns:
        For each text a number, or a date as ISO 8601 (which may be none, such as February 31st); ``None`` where it
        is not in that format.

    Raises:
        ValueError: There is no such format.
    """
    read = _reader(key)
    return [read(text) for text in texts]


def holds(key: str) -> Literal["numeric", "boolean", "datetime"]:
    """What a column holds whose texts are in a format.

    Raises:
        ValueError: There is no such format.
    """
    _reader(key)
    if key in (SPAN, ISO) or key.startswith("date "):
        return "datetime"
    return "boolean" if "/" in key else "numeric"


def in_words(key: str) -> str:
    """What texts in a format are, with an example: ``"dates such as 31.12.1990"``."""
    name, _, rest = key.partition(" ")
    match name:
        case "money":
            currency, _, style = rest.rpartition(" ")
            return f"amounts of money such as {currency} {style}"
        case "percent":
            return f"percentages such as {rest} %"
        case "time":
            seconds = ":30" if rest.endswith("seconds") else ""
            return f"times of day such as {f'1:05{seconds} pm' if rest.startswith('12h') else f'13:05{seconds}'}"
        case "date":
            return "dates such as " + rest.replace("y", "1990").replace("m", "12").replace("d", "31")
        case "span":
            return "spans of time such as 1 days 12:00:00"
    if "/" in key:
        return f"{name.partition('/')[0]!r} or {name.partition('/')[2]!r}"
    return f"numbers such as {name}"


def grouped(texts: Sequence[str], is_number: NDArray[np.bool_]) -> Reading | None:
    """Numbers with separated thousands or a decimal comma; ``is_number``: which are plain numbers."""
    first = next(text for text, plain in zip(texts, is_number, strict=True) if not plain)
    for style in (COMMA, POINT):
        if None not in read_in(style, texts):
            return Reading(style, f"{first!r} is read as {read_in(style, [first])[0]:.12g}")
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


# --- finding a format out ---------------------------------------------------------------------------------------------


def _amounts(texts: Sequence[str]) -> Reading | None:
    found = [_AMOUNT.fullmatch(text) for text in texts]
    matches = [match for match in found if match is not None]
    currencies = {match["before"] or match["after"] for match in matches}
    if len(matches) < len(texts) or len(currencies) > 1:
        return None
    return _numbers(texts, list(map(_amount, matches)), _ONE_OR_THOUSAND, f"money {currencies.pop()}")


def _percentages(texts: Sequence[str]) -> Reading | None:
    matches = [match for text in texts if (match := _PERCENT.fullmatch(text))]
    if len(matches) < len(texts):
        return None
    return _numbers(texts, [match[1] for match in matches], _ONE_OR_THOUSAND_PERCENT, "percent")


def _numbers(texts: Sequence[str], bare: list[str], unclear: re.Pattern[str], name: str) -> Reading | None:
    """``bare``: the texts without what stands around their numbers; all ``unclear`` ones can mean two things."""
    if all(unclear.fullmatch(text) for text in bare):
        return None
    for style in _STYLES:
        if None not in read_in(style, bare):
            return Reading(f"{name} {style}", f"{texts[0]!r} is read as {read_in(style, bare[:1])[0]:.12g}")
    return None


def _times(texts: Sequence[str]) -> Reading | None:
    match = _TIME.fullmatch(texts[0])
    if match is None:
        return None
    key = f"time {'12h' if match[4] else '24h'}" + (" seconds" if match[3] else "")
    hours = read_in(key, texts)
    if None in hours:
        return None
    return Reading(key, f"times of day, {texts[0]!r} is read as {hours[0]:.4g} hours")


def _dates(texts: Sequence[str]) -> Reading | None:
    for pattern in (_YEAR_LAST, _YEAR_FIRST):
        matches = [match for text in texts if (match := pattern.fullmatch(text))]
        if len(matches) < len(texts) or len({match["mark"] for match in matches}) > 1:
            continue
        # Nobody writes year, day, month.
        day_first = _day_first(matches) if pattern is _YEAR_LAST else False
        if day_first is None:
            return None
        order = "ymd" if pattern is _YEAR_FIRST else "dmy" if day_first else "mdy"
        key = f"date {matches[0]['mark'].join(order)}"
        # The example shows the order: its day is above 12.
        day = "one" if day_first else "two"
        shown = next((place for place, match in enumerate(matches) if int(match[day]) > 12), 0)
        date = str(read_in(key, [texts[shown]])[0]).removesuffix("T00:00")
        return Reading(key, f"dates, {texts[shown]!r} is read as {date}")
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


# --- one text in a format ---------------------------------------------------------------------------------------------

_Reader = Callable[[str], float | str | None]


@cache
def _reader(key: str) -> _Reader:
    """What reads one text in a format.

    Raises:
        ValueError: There is no such format.
    """
    name, _, rest = key.partition(" ")
    currency, _, style = rest.rpartition(" ")
    if key in _STYLES:
        return partial(_read_number, key)
    if key == SINGLE:
        return _read_single
    if key == ISO:
        return lambda text: text if ISO_DATE.fullmatch(text) else None
    if key == SPAN:
        return _read_span
    if name == "money" and re.fullmatch(_CURRENCY, currency) and style in _STYLES:
        return partial(_read_amount, currency, style)
    if name == "percent" and rest in _STYLES:
        return lambda text: _read_number(rest, match[1]) if (match := _PERCENT.fullmatch(text)) else None
    if name == "time" and re.fullmatch(r"(12|24)h( seconds)?", rest):
        return partial(_read_time, rest.startswith("12h"), rest.endswith("seconds"))
    if name == "date" and re.fullmatch(r"(d([./-])m|m([./-])d)(\2|\3)y|y([./])m\5d", rest):
        return partial(_read_date, rest.replace(rest[1], ""), rest[1])
    if name in _WORDS and not rest:
        return partial(_read_word, name)
    raise ValueError(f"no such format: {key!r}")


def _read_number(style: str, text: str) -> float | None:
    plain = NUMBER.fullmatch(text) is not None
    if style == PLAIN:
        return float(text) if plain else None
    pattern, thousands, decimal = _GROUPED[style]
    # A point is something else where commas are decimal: then a plain number has to be written that way too.
    if not ((plain and decimal == ".") or pattern.fullmatch(text)):
        return None
    return float(text.replace(thousands, "").replace(decimal, "."))


def _read_single(text: str) -> float | None:
    number = _read_number(PLAIN, text)
    return None if number is None else to_single(number)


def _amount(match: re.Match[str]) -> str:
    """The number of an amount, as it is written."""
    return match["sign"] + (match["first"] or match["last"])


def _read_amount(currency: str, style: str, text: str) -> float | None:
    match = _AMOUNT.fullmatch(text)
    if match is None or (match["before"] or match["after"]) != currency:
        return None
    return _read_number(style, _amount(match))


def _read_time(halves: bool, with_seconds: bool, text: str) -> float | None:
    match = _TIME.fullmatch(text)
    if match is None or bool(match[3]) != with_seconds or bool(match[4]) != halves:
        return None
    hours = int(match[1])
    if hours > 23 or (halves and not 1 <= hours <= 12):
        return None
    if halves:
        hours = hours % 12 + (12 if match[4].lower() == "p" else 0)
    return (3600 * hours + 60 * int(match[2]) + (float(match[3][1:]) if match[3] else 0.0)) / 3600


def _read_date(order: str, mark: str, text: str) -> str | None:
    match = (_YEAR_FIRST if order == "ymd" else _YEAR_LAST).fullmatch(text)
    if match is None or match["mark"] != mark:
        return None
    day, month = ("one", "two") if order == "dmy" else ("two", "one")
    if order == "ymd":
        month, day = "one", "two"
    return f"{match['year']}-{int(match[month]):02d}-{int(match[day]):02d}T{match['clock'] or '00:00'}"


def _read_span(text: str) -> float | None:
    match = _SPAN.fullmatch(text)
    if match is None:
        return None
    hours, minutes, seconds = int(match["hours"] or 0), int(match["minutes"] or 0), int(match["seconds"] or 0)
    ticks = 1_000_000_000 * (3600 * hours + 60 * minutes + seconds) + int((match["part"] or "").ljust(9, "0"))
    return int(match["days"]) + ticks / 86_400_000_000_000


def _read_word(pair: str, text: str) -> float | None:
    word = text.lower()
    return float(word == pair.partition("/")[0]) if word in pair.split("/") else None
