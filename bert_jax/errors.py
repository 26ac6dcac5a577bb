"""Errors that a user can act on: one line each, and an exit code that scripts can rely on."""


class BertJaxError(Exception):
    """An error whose text names the place, what it got, what it wanted and what to do."""

    exit_code = 1


class ConfigError(BertJaxError):
    """A flag or a config field is unknown or has an unusable value."""

    exit_code = 2


class DataError(BertJaxError):
    """Text, a tokenizer or a prepared corpus is missing, unreadable or does not fit."""

    exit_code = 3


class CheckpointError(BertJaxError):
    """A checkpoint is missing, damaged or of another shape."""

    exit_code = 4


class DiskError(BertJaxError):
    """The file system refused to store what it was given."""

    exit_code = 5


class NumericsError(BertJaxError):
    """Training produced values that are not finite."""

    exit_code = 6


class WorkdirInUse(BertJaxError):
    """Another process holds the working directory."""

    exit_code = 7


class Stuck(BertJaxError):
    """No step finished within the time allowed."""

    exit_code = 8


class ProcessLost(BertJaxError):
    """Another process of the run died or does not answer."""

    exit_code = 9
