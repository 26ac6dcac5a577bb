"""Files to clean lines of text: gzip, UTF-8, control bytes, bounds; what was odd is counted."""

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bert_jax.data.remote import RemoteFile
from bert_jax.errors import DataError

_BLOCK = 1 << 20
_LONGEST_LINE = 16 << 20  # bytes; the rest of such a line becomes the next one
_REMOVED = bytes(c for c in range(32) if c not in b"\t\n\v\f\r") + b"\x7f"
_BLANKS = bytes.maketrans(b"\v\f", b"  ")
_CONTROLS = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_ODD = re.compile(b"[" + re.escape(_REMOVED) + b"]")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class Tally:
    """How often something was met, and where first."""

    count: int = 0
    first: str = ""


@dataclass
class ReadReport:
    """What reading met. One is filled for each pass over the input."""

    position: int = 0  # bytes of the files as stored, read so far
    text_bytes: int = 0  # the same, unpacked
    documents: int = 0  # given out or skipped
    skipped: dict[str, Tally] = field(default_factory=dict)  # documents, by reason
    skipped_files: dict[str, Tally] = field(default_factory=dict)
    notes: dict[str, Tally] = field(default_factory=dict)  # what was changed on the way

    def skip(self, reason: str, place: str, *, given_out: bool = False) -> None:
        """Count a document that is left out, by the reader or after it was given out."""
        self.documents += not given_out
        _count(self.skipped, reason, place, 1)

    def skip_file(self, reason: str, place: str) -> None:
        """Count a file that is left out."""
        _count(self.skipped_files, reason, place, 1)

    def note(self, what: str, place: str, count: int = 1) -> None:
        """Count something that was changed."""
        _count(self.notes, what, place, count)

    def add(self, later: "ReadReport") -> None:
        """Count what another pass met, over a part of the input that lies behind this one's."""
        self.position += later.position
        self.text_bytes += later.text_bytes
        self.documents += later.documents
        for mine, others in (
            (self.skipped, later.skipped),
            (self.skipped_files, later.skipped_files),
            (self.notes, later.notes),
        ):
            for what, tally in others.items():
                _count(mine, what, tally.first, tally.count)


def _count(tallies: dict[str, Tally], what: str, place: str, count: int) -> None:
    tally = tallies.setdefault(what, Tally(0, place))
    tally.count += count


def read_lines(path: Path | RemoteFile, report: ReadReport) -> Iterator[tuple[int, str]]:
    """Yield line numbers, from 1, and lines without their ends.

    Raises:
        DataError: the file cannot be read, is binary, not UTF-8, or a damaged gzip.
    """
    number = 1
    for block in _read_blocks(path, report):
        if number == 1:
            _refuse_binary(path, block)
            block = block.removeprefix(b"\xef\xbb\xbf")
        text = _decode(path, number, block, report)
        lines = text.split("\n")
        if not lines[-1]:
            lines.pop()
        for line in lines:
            yield number, line
            number += 1


def clean_text(text: str, place: str, report: ReadReport) -> str:
    """Remove control characters and lone surrogates, as JSON escapes can bring them."""
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.isprintable() and _CONTROLS.search(text):
        report.note("control characters removed", place, len(_CONTROLS.findall(text)))
        text = _CONTROLS.sub(lambda m: " " if m[0] in "\v\f" else "", text)
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            report.note("lone surrogates replaced", place)
            text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _read_blocks(path: Path | RemoteFile, report: ReadReport) -> Iterator[bytes]:
    """Yield parts of the file that end with a line's end, LF only."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b" or path.suffix == ".gz"
            raw.seek(0)
            file = gzip.GzipFile(fileobj=raw) if packed else raw
            before = report.position
            rest = b""
            while True:
                block = file.read(_BLOCK)
                report.position = before + raw.tell()
                report.text_bytes += len(block)
                if not block:
                    break
                cut = block.rfind(b"\n") + 1
                if not cut and len(rest) + len(block) < _LONGEST_LINE:
                    rest += block
                    continue
                if not cut:
                    report.note("lines longer than 16 MB cut", str(path))
                    cut = len(block)
                    while cut > len(block) - 4 and block[cut - 1] & 0x80:
                        cut -= 1  # not inside a character
                    cut = cut or len(block)
                yield _unix(rest + block[:cut])
                rest = block[cut:]
            if rest:
                yield _unix(rest)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: a damaged gzip file ({error}); fetch it again") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})") from None


def _unix(block: bytes) -> bytes:
    if b"\r" not in block:
        return block
    return block.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _refuse_binary(path: Path | RemoteFile, block: bytes) -> None:
    start = block[:8192]
    if start.startswith(_UTF16):
        raise DataError(f"{path}: is not UTF-8 text (it is UTF-16); convert it, e.g. with iconv")
    if start.count(0) > max(8, 0.01 * len(start)):  # a few in a small file are dirt
        raise DataError(
            f"{path}: looks like a binary file ({start.count(0)} NUL bytes in its start)"
        )
    if _is_utf8(block):
        return
    lines = block.split(b"\n")
    bad = [i for i, line in enumerate(lines, 1) if not _is_utf8(line)]
    if len(bad) > max(1, 0.1 * len(lines)):
        raise DataError(
            f"{path}:{bad[0]}: is not UTF-8 text ({len(bad)} of the first {len(lines)} lines are "
            "not); convert it, e.g. with iconv"
        )


def _is_utf8(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _decode(path: Path | RemoteFile, number: int, block: bytes, report: ReadReport) -> str:
    """Return the block as text; bytes that are not become U+FFFD or nothing, and are counted."""
    clean = block.translate(_BLANKS, _REMOVED)
    if len(clean) != len(block):
        first = _ODD.search(block)
        at = number + block.count(b"\n", 0, first.start() if first else 0)
        report.note("control bytes removed", f"{path}:{at}", len(block) - len(clean))
    try:
        return clean.decode()
    except UnicodeDecodeError:
        lines = clean.split(b"\n")
        bad = [i for i, line in enumerate(lines) if not _is_utf8(line)]
        place = f"{path}:{number + bad[0]}"
        report.note("lines with invalid UTF-8 repaired", place, len(bad))
        return clean.decode(errors="replace")
