"""Numbers as people read them."""

import re


def count(value: float | None) -> str:
    """1900 -> "1,900"."""
    return "–" if value is None else f"{round(value):,}"


def words(value: float) -> str:
    """4_430_000 -> "4.4 million"."""
    for size, name in ((1e12, "trillion"), (1e9, "billion"), (1e6, "million")):
        if value >= 0.9995 * size:
            scaled = value / size
            return f"{scaled:.0f} {name}" if scaled >= 99.95 else f"{scaled:.1f} {name}"
    return count(value)


def short(value: float) -> str:
    """12_300_000_000 -> "12.3 G", for a unit to follow."""
    for size, prefix in ((1e18, "E"), (1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{value / size:.3g}\N{NO-BREAK SPACE}{prefix}"
    return f"{value:.3g}\N{NO-BREAK SPACE}"


def percent(value: float | None) -> str:
    """0.1624 -> "16.2%"."""
    if value is None:
        return "–"
    return "0%" if value == 0 else f"{100 * value:.2f}%" if value < 0.001 else f"{100 * value:.1f}%"


def decimal(value: float | None) -> str:
    """A number to about three figures."""
    if value is None:
        return "–"
    size = abs(value)
    if size == 0 or size >= 1000:
        return count(value)
    if size >= 100:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def plain(value: float, digits: int = 4) -> str:
    """0.003 -> "0.003", 0.00005 -> "5e-5"."""
    return re.sub(r"e([+-])0", r"e\1", f"{value:.{digits}g}").replace("e+", "e")


def duration(seconds: float) -> str:
    """5400 -> "1 h 30 min"."""
    minutes = round(seconds / 60)
    if minutes < 1:
        return "less than a minute"
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{round(hours / 24)} days"
