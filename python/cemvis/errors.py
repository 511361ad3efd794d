"""What can go wrong, by kind.

Each error derives from `CemvisError` and from the builtin that fits, so that ``except ValueError`` works as well.
A message is one line: what was given, what is wanted, what to do.
"""


class CemvisError(Exception):
    """Base of every error that cemvis raises on purpose."""


class InputError(CemvisError, ValueError):
    """An argument or a table has the wrong shape, type, unit or range."""


class PixelSizeError(InputError):
    """The pixel size is unknown, impossible or does not fit the model."""


class GreyScaleError(InputError):
    """An image cannot be brought to the wanted grey scale."""


class FileFormatError(CemvisError, ValueError):
    """A file is damaged, truncated or not of a kind that cemvis reads."""


class ModelFileError(FileFormatError):
    """A model file is damaged, was tampered with or is not a cemvis model."""


class FileAccessError(CemvisError, OSError):
    """A file or folder cannot be read or written."""


class OutputExistsError(CemvisError, FileExistsError):
    """An output exists already and overwriting was not asked for."""


class TrainingError(CemvisError, ArithmeticError):
    """A training went astray: its loss is not finite any more."""


class DeviceMemoryError(CemvisError, MemoryError):
    """A device has too little memory for what it was given."""


class DeviceError(CemvisError, RuntimeError):
    """A device failed at its work."""


class NotFittedError(CemvisError, AttributeError):
    """A result was asked for before there was one."""


class CemvisWarning(UserWarning):
    """Base of every warning that cemvis gives."""


class PixelSizeWarning(CemvisWarning):
    """The pixel size is usable, but far from what the model was trained on."""


class GreyScaleWarning(CemvisWarning):
    """The grey scale could not be made sure of."""


class CoverageWarning(CemvisWarning):
    """A prediction interval cannot promise the coverage that was asked for."""
