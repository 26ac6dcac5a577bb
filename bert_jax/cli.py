"""What every entry shares: flags, a config file with overrides, errors as one line."""

import contextlib
import dataclasses
import difflib
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

from absl import app, flags, logging
from ml_collections import ConfigDict, config_flags
from ml_collections.config_flags.config_flags import ConfigFileFlagParser

from bert_jax.disk import refusal
from bert_jax.errors import BertJaxError, ConfigError, DiskError
from bert_jax.processor import refused_product

T = TypeVar("T")


@dataclasses.dataclass(frozen=True)
class Arguments:
    """What an entry was called with."""

    config: ConfigDict
    workdir: Path | None
    command: str
    passed_on: tuple[str, ...] = ()  # what stands after "--"
    overridden: tuple[str, ...] = ()  # fields of the config that were set on the command line


# Entered before anything else happens: (coordinator, num_processes, process_id, join_seconds).
Join = Callable[
    [str | None, int | None, int | None, float], contextlib.AbstractContextManager[None]
]


def run(
    main: Callable[[Arguments], int | None],
    *,
    config: bool = True,
    workdir: bool = True,
    join: Join | None = None,
    before: Callable[[], None] | None = None,
    passes_on: bool = False,
) -> None:
    """Parse flags, call `main`, and leave with its exit code.

    A `BertJaxError` becomes one line on standard error and its own exit code; anything else is
    a bug in this project and keeps its traceback.

    Args:
        main: the entry; returns an exit code, or None for 0.
        config: whether the entry needs `--config`; without, it is given an empty one.
        workdir: whether the entry needs `--workdir`.
        join: brings this process together with others, for an entry that runs on several.
        before: settles what a config file, which may ask JAX for its devices, has to find settled.
        passes_on: whether words after "--" are for something that the entry calls.
    """
    argv, passed_on = _cut(sys.argv) if passes_on else (sys.argv, ())
    if join:
        _define_join(flags.FLAGS)
    if config:
        config_flags.DEFINE_config_file(
            "config",
            None,
            "Config file, behind a colon what it takes: configs/pretrain.py:large,tpu. "
            "Any field of it can be overridden: --config.optimizer.learning_rate=1e-4.",
        )
    if workdir:
        flags.DEFINE_string("workdir", None, "Folder where the run is kept; made if missing.")

    def start(_: list[str]) -> int:
        if not flags.FLAGS["verbosity"].present:
            logging.set_verbosity(logging.WARNING)  # libraries are chatty at INFO
        path = Path(flags.FLAGS.workdir) if workdir else None
        values = flags.FLAGS.config if config else ConfigDict()
        command, overridden = _command(sys.argv), _overridden(config)
        return main(Arguments(values, path, command, passed_on, overridden)) or 0

    try:
        if before:
            before()
        with join(*_parse_join(sys.argv)) if join else contextlib.nullcontext():
            app.run(start, argv=argv, flags_parser=lambda words: _parse(words, config, workdir))
    except BertJaxError as error:
        _leave(str(error), error.exit_code)
    except OSError as error:
        reason = refusal(error)
        if reason is None:
            raise
        _leave(f"{error.filename or 'writing'}: {reason}", DiskError.exit_code)
    except RuntimeError as error:
        refused = refused_product(error)
        if refused is None:
            raise
        _leave(str(refused), refused.exit_code)


def build(cls: type[T], values: Mapping[str, Any] | ConfigDict, where: str) -> T:
    """Make a frozen dataclass, nested ones too, from a part of a config.

    Args:
        cls: the dataclass; every field without a default must be in `values`.
        values: the part of the config.
        where: its name in the config, for errors: "config.optimizer".

    Raises:
        ConfigError: a field is unknown, missing, of a wrong type, or refused by the dataclass.
    """
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in values:
        if name not in fields:
            raise ConfigError(f"{where}.{name}: no such field{nearest(name, fields, f'{where}.')}")
    arguments = {}
    for name, field in fields.items():
        if name in values:
            arguments[name] = _convert(hints[name], values[name], f"{where}.{name}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ConfigError(f"{where}.{name}: missing; the config file has to set it")
    try:
        return cls(**arguments)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}") from error


def overrides(known: flags.FlagValues) -> dict[str, Any]:
    """Return the fields of the config that a command line sets, as plain values."""
    found = config_flags.get_override_values(known["config"])
    return {k: v.to_dict() if isinstance(v, ConfigDict) else v for k, v in found.items()}


def read_field(config: str, field: str, text: str) -> Any:
    """Read the value of a config's field from text, as the command line of an entry does.

    Raises:
        ValueError: it cannot be one.
    """
    words = ["run", f"--config={config}", f"--config.{field}={text}"]
    known = flags.FlagValues()
    config_flags.DEFINE_config_file("config", flag_values=known, sys_argv=words)
    try:
        known(words)
    except (flags.Error, AttributeError, KeyError, TypeError) as error:
        raise ValueError(str(error).removeprefix(f"flag {words[-1]}: ")) from error
    return overrides(known)[field]


def nearest(name: str, known: Iterable[str], prefix: str = "") -> str:
    """Say which of the known fields a misspelt one may have meant, "" where none is like it."""
    known = list(known)
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    if not close:
        last = name.rpartition(".")[2]
        close = [field for field in known if field.rpartition(".")[2] == last][:1]
    return f"; the nearest is {prefix}{close[0]}" if close else ""


def _convert(hint: Any, value: Any, where: str) -> Any:
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        if value is None:
            return None
        (hint,) = (option for option in options if option is not type(None))
        return _convert(hint, value, where)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, Mapping | ConfigDict):
            raise ConfigError(f"{where}: got {value!r}, wants a group of fields")
        return build(typing.cast(type, hint), value, where)
    if origin is tuple:
        if isinstance(value, str) or not isinstance(value, list | tuple):
            raise ConfigError(f"{where}: got {value!r}, wants a list")
        return tuple(_convert(options[0], item, f"{where}[{i}]") for i, item in enumerate(value))
    if origin is dict:
        if not isinstance(value, Mapping | ConfigDict):
            raise ConfigError(f"{where}: got {value!r}, wants a group of fields")
        return {k: _convert(options[1], v, f"{where}.{k}") for k, v in value.items()}
    if hint is Any:
        return value
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise ConfigError(f"{where}: got {value!r}, wants {hint.__name__}")
    return value


def _parse(argv: list[str], needs_config: bool, needs_workdir: bool) -> list[str]:
    """Parse flags with absl; whatever is wrong with them becomes a ConfigError of one line."""
    known = flags.FLAGS
    try:
        rest = known(argv)
    except (flags.Error, AttributeError, KeyError, TypeError, ValueError, OSError) as error:
        if needs_config:
            _explain_config(argv)
        text = str(error).strip().strip("'\"")
        raise ConfigError(" ".join(text.split()) or type(error).__name__) from error
    if any(known[name].present and known[name].value for name in ("help", "helpshort", "helpfull")):
        return rest
    if len(rest) > 1:
        raise ConfigError(f"{rest[1]}: not a flag; flags begin with --, as in --name=VALUE")
    if needs_config and known["config"].value is None:
        raise ConfigError("--config is missing: name a config file, e.g. --config=configs/...")
    if needs_config and not isinstance(known["config"].value, ConfigDict):
        _explain_config(argv)  # absl keeps a failed load for later
    if needs_workdir and not known["workdir"].value:
        raise ConfigError("--workdir is missing: name the folder where the run is kept")
    if needs_workdir and "://" in str(known["workdir"].value):
        raise ConfigError(
            f"--workdir={known['workdir'].value}: a run is kept on a file system; mount the bucket"
        )
    return rest


def _cut(argv: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """Part what is ours from what stands after "--"."""
    end = argv.index("--") if "--" in argv else len(argv)
    return argv[:end], tuple(argv[end + 1 :])


def _define_join(values: flags.FlagValues) -> None:
    of_all = "of several processes; Slurm, Open MPI and TPU pods tell it themselves"
    text, number = flags.DEFINE_string, flags.DEFINE_integer
    text("coordinator", None, f"HOST:PORT of process 0 {of_all}.", flag_values=values)
    number("num_processes", None, f"Number {of_all}.", flag_values=values)
    number("process_id", None, f"This one's number, from 0, {of_all}.", flag_values=values)
    seconds = "How long to wait for the other processes."
    flags.DEFINE_float("join_seconds", 300.0, seconds, flag_values=values)


def _parse_join(argv: list[str]) -> tuple[str | None, int | None, int | None, float]:
    """Parse what has to be known before a config file, which may ask JAX for its devices."""
    values = flags.FlagValues()
    _define_join(values)
    try:
        values(argv, known_only=True)
    except flags.Error as error:
        raise ConfigError(" ".join(str(error).split())) from error
    return values.coordinator, values.num_processes, values.process_id, values.join_seconds


def _explain_config(argv: list[str]) -> None:
    """Raise what is wrong with the config file or a field's name, if that is what is wrong."""
    names = [word.split("=", 1) for word in argv[1:] if word.startswith(("--", "-"))]
    flags_given = {parts[0].lstrip("-"): parts[1] if len(parts) > 1 else None for parts in names}
    path = flags_given.get("config")
    if path is None:
        return
    file = path.split(":", 1)[0]
    if not Path(file).is_file():
        raise ConfigError(f"--config={path}: there is no file {file} here")
    try:
        config = typing.cast(ConfigDict, ConfigFileFlagParser("config").parse(path))
        fields = dict(_flatten(config))
    except Exception as error:  # a config is the user's own code: anything can come out of it
        cause = error.__cause__ or error
        lines = [line for line in str(cause).splitlines() if line.strip()]
        detail = lines[-1].strip() if lines else type(cause).__name__
        raise ConfigError(f"--config={path}: the config file failed: {detail}") from error
    for name in flags_given:
        if name.startswith("config.") and name.removeprefix("config.") not in fields:
            field = name.removeprefix("config.")
            hint = nearest(field, fields, "config.")
            raise ConfigError(f"--{name}: no such field in {file}{hint}")


def _overridden(config: bool) -> tuple[str, ...]:
    if not config:
        return ()
    return tuple(config_flags.get_override_values(flags.FLAGS["config"]))


def _flatten(config: ConfigDict, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name in config:
        value = config[name]
        yield prefix + name, value
        if isinstance(value, ConfigDict):
            yield from _flatten(value, f"{prefix}{name}.")


def _command(argv: list[str]) -> str:
    import shlex

    path = Path(argv[0])
    module = f"bert_jax.{path.stem}" if path.parent.name == "bert_jax" else path.stem
    return shlex.join(["python", "-m", module, *argv[1:]])


def _leave(message: str, code: int) -> typing.NoReturn:
    # One line and nothing but text, whatever names of files or columns from the data are in it.
    text = "".join(c if c.isprintable() else repr(c)[1:-1] for c in message)
    print(f"error: {text}", file=sys.stderr, flush=True)
    sys.exit(code)
