"""The prose in Python source: paragraphs of docstrings that read like English."""

import re
from collections.abc import Iterator

# A string that is the first statement of a file or a block, or an argument on its own line.
# Against the docstrings that `ast` finds in the standard library this finds 99% at 20 times
# the speed, and also those that packages add by a call (numpy's add_newdoc).
_DOCSTRING = re.compile(
    r"(?:\A(?:\s|\#[^\n]*\n)*|[:,(][ \t]*(?:\#[^\n]*)?\n\s*)"
    r"[rRuU]?(\"\"\"|''')(.*?)\1",
    re.DOTALL,
)
_LITERAL_DIRECTIVE = re.compile(
    r"\.\. *(code|math|plot|ipython|test|doctest|parsed|table|list-table|csv|figure|image|auto"
    r"|toctree|raw|highlight|seealso|currentmodule|deprecated|version)"
)
_ITEM = re.compile(r"(?:[*•-]|\(?\w{1,2}[.)]|\.\. \[\w+\]|#)\s+")
# "name: Text", "name (type): Text", ":param name: Text"
_ARGUMENT = re.compile(
    r"(?:\*{0,2}`{0,2}\w[\w.,* ]{0,40}`{0,2}(?: ?\([^)]*\))?|:\w+[^:]*): +(?=[A-Z])"
)
_MARKUP = (
    (re.compile(r":[\w:+-]+:`~?(?:[^`<]*?\.)?([^`<.]+?)(?: ?<[^`]*>)?`"), r"\1"),
    (re.compile(r"`([^`<]+?) ?<[^`>]*>`_{0,2}"), r"\1"),
    (re.compile(r"\[([^\]]+)\]\((?:https?:)[^)]*\)"), r"\1"),
    (re.compile(r"``([^`]+)``|`([^`]+)`_?"), r"\1\2"),
    (re.compile(r"\*\*([^*]+)\*\*|(?<!\w)\*([^*\s][^*]*)\*"), r"\1\2"),
    (re.compile(r" ?\[[\w#*]+\]_"), ""),
    (re.compile(r"(?<=\w)::$"), ":"),
)
_WORD = re.compile(r"(?<![\w.=/\\<({\[-])[A-Za-z]+(?:['-][A-Za-z]+)*(?=[\s.,;:!?)\"']|$)")
_MARKED = re.compile("[`*[]|::$")
_UNWANTED = re.compile(r">>>|[\\|{}^]|[<>=~].*[<>=~]|::|__|https?:|\.\.\.\.|--|:math:|\$")
_LONGEST = 3_000  # characters; what is longer is a table or a grammar


def docstrings(source: str) -> Iterator[str]:
    """Yield the docstrings of Python source, as they are written."""
    for match in _DOCSTRING.finditer(source):
        yield match[2]


def paragraphs(text: str) -> Iterator[str]:
    """Yield the paragraphs of a docstring that are words, each as one line without markup.

    Left out: code, doctests, tables, formulas, headings, bare lists of types and signatures.
    """
    for lines in _blocks(text):
        paragraph = " ".join(lines)
        if len(paragraph) > _LONGEST:
            continue
        if _MARKED.search(paragraph):
            for pattern, replacement in _MARKUP:
                paragraph = pattern.sub(replacement, paragraph)
        paragraph = " ".join(paragraph.split())
        if _reads_like_english(paragraph):
            yield paragraph


def _blocks(text: str) -> Iterator[list[str]]:
    """Yield runs of lines that belong together, without literal blocks."""
    block: list[str] = []
    indent = -1  # of the block's first line
    hanging = False  # whether deeper lines continue the block
    literal = -1  # lines deeper than this are code
    for i, line in enumerate(text.expandtabs().split("\n")):
        stripped = line.strip()
        depth = len(line) - len(line.lstrip()) if i else 0
        if not stripped:
            if block:
                if block[-1].endswith("::"):
                    literal = max(indent, 0)
                yield block
            block, indent, hanging = [], -1, False
            continue
        if literal >= 0:
            if depth > literal:
                continue
            literal = -1
        if stripped.startswith("..") and _LITERAL_DIRECTIVE.match(stripped):
            literal = depth
            stripped = ""
        elif stripped.startswith((">>>", "... ", "$ ", ".. ")) or not stripped.strip("=-~^*+#_."):
            stripped = ""
        item = _ITEM.match(stripped)
        begins = item or _ARGUMENT.match(stripped)
        # The first line of a docstring follows the quotes, so its depth says nothing.
        moved = bool(block) and i > 1 and depth != indent and not (hanging and depth > indent)
        if not stripped or begins or moved:
            if block:
                yield block
            block = []
        if not stripped:
            hanging = False
            continue
        if item:  # the name of an argument stays: it says what its text is about
            stripped = stripped[item.end() :]
        if not block:
            indent, hanging = depth, bool(begins)
        elif i == 1:
            indent = depth
        block.append(stripped)
    if block:
        yield block


def _reads_like_english(text: str) -> bool:
    """Say whether a line is mostly plain words."""
    if len(text) < 20 or not text[0].isalpha() or _UNWANTED.search(text):
        return False
    total = text.count(" ") + 1
    words = _WORD.findall(text)
    return total >= 5 and len(words) >= 0.55 * total and sum(map(len, words)) >= 0.5 * len(text)
