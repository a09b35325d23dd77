"""Sizes as people read them: powers of 1024, and labelled so."""

_UNITS = ("KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def size(number_of_bytes: int) -> str:
    if number_of_bytes < _STEP:
        return f"{number_of_bytes} B"
    value = float(number_of_bytes)
    for unit in _UNITS:
        value /= _STEP
        if value < _STEP or unit == _UNITS[-1]:
            break
    return f"{value:.2f} {unit}" if value < 10 else f"{value:,.1f} {unit}"  # noqa: PLR2004 - three digits, as people read them
