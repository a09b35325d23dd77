"""Amounts as people read them, the same in terminal, messages and logs."""

_UNITS = ("KiB", "MiB", "GiB", "TiB")
_STEP = 1024


def size(number_of_bytes: int) -> str:
    """In powers of 1024, and labelled so."""
    if number_of_bytes < _STEP:
        return f"{number_of_bytes} B"
    value = float(number_of_bytes)
    for unit in _UNITS:
        value /= _STEP
        if value < _STEP or unit == _UNITS[-1]:
            break
    return f"{value:.2f} {unit}" if value < 10 else f"{value:,.1f} {unit}"  # noqa: PLR2004 - three digits, as people read them


def documents_in_words(count: int) -> str:
    """`1 document`, `2,000 documents`."""
    return f"{count:,} {'document' if count == 1 else 'documents'}"
