"""What the compiled core refuses, as the package's own errors."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cemvis.errors import InputError


@contextmanager
def input_errors() -> Iterator[None]:
    """Turn the core's refusals, of a value or of an argument's type, into an `InputError` of one line."""
    try:
        yield
    except (ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(error).partition("\n")[0]) from error
