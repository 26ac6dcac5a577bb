"""What was predicted of the words of sentences: entities found, missed and confused."""

from collections import Counter
from typing import Any

from bert_jax.report import numbers
from bert_jax.report.files import as_list, as_text
from bert_jax.report.finetuning.classes import scores
from bert_jax.report.finetuning.confusion import confusion, short_name
from bert_jax.report.finetuning.measures import Baseline
from bert_jax.report.finetuning.worst import Worst, cards, example_card
from bert_jax.report.markup import Content, Markup, element, table
from bert_jax.tasks.schemes import Entity, find_entities

_SHOWN = 12  # of the worst sentences
_MAX_WORDS = 60  # of one of them
_BEFORE = 8  # words before the first wrong one, where a sentence is cut
_MAX_ROWS = 40  # of types
_NONE = "no entity"

_CONFUSION = (
    "An entity counts as found only where both its words and its type are right. Where it is found "
    "with a word too many or too few, the label is taken for no entity, and no entity for "
    "what was said."
)
_WORST = (
    "The sentences with the most wrong tags. Below a word stands its tag, green where it is right; "
    "where it is wrong, what was said is struck through before it."
)


class Tags:
    """Entities by type as they are and as they were said to be, and the worst sentences."""

    def __init__(self) -> None:
        self.scored = 0
        self.counts = Counter[tuple[str, str]]()  # by type, of entities whose words agree
        self._there = Counter[str]()
        self._said = Counter[str]()
        self._words = self._outside = 0
        self._worst = Worst(_SHOWN)

    def add(self, line: dict[str, Any]) -> None:
        """Count a sentence, unless its tags are hidden."""
        tags, said = _tags(line.get("tags")), _tags(line.get("prediction"))
        if not tags or len(tags) != len(said):
            return
        self.scored += 1
        self._words += len(tags)
        self._outside += tags.count("O")
        there, found = _by_place(find_entities(tags)), _by_place(find_entities(said))
        self._there.update(there.values())
        self._said.update(found.values())
        for place in there.keys() | found.keys():
            self.counts[there.get(place, _NONE), found.get(place, _NONE)] += 1
        wrong = sum(a != b for a, b in zip(tags, said, strict=True))
        if wrong:
            self._worst.add(wrong, line)

    def baseline(self, metric: str) -> Baseline | None:
        """Score finding nothing at all."""
        if metric == "accuracy":
            value = self._outside / self._words if self._words else 0.0
        elif metric.startswith(("f1", "precision", "recall")):
            value = 0.0
        else:
            return None
        return Baseline(value, "finding no entity at all")

    def parts(self, key: str) -> list[tuple[str, Content]]:
        """Return the parts of the page, each with its title."""
        types = sorted({*self._there, *self._said})
        known = [*types, _NONE]
        grid: Content = None
        if types:
            grid = [element("p", _CONFUSION, class_="explain"), confusion(known, self.counts)]
        return [
            ("Type by type", self._by_type(types) if types else None),
            ("What it takes for what", grid),
            (
                "Where it is most wrong",
                cards([_card(line) for line in self._worst.lines()], _WORST),
            ),
        ]

    def _by_type(self, types: list[str]) -> Content:
        rows = {x: scores(self.counts[x, x], self._said[x], self._there[x]) for x in types}
        shown = sorted(types, key=lambda x: (-self._there[x], x))[:_MAX_ROWS]
        right = sum(self.counts[x, x] for x in types)
        total = scores(right, self._said.total(), self._there.total())
        note = (
            "Precision: of what it calls so, how much is. Recall: of what is so, how much it finds."
        )
        if len(shown) < len(types):
            note += f" Of {len(types):,} types, the {len(shown)} commonest."
        body: list[list[Content]] = [
            [short_name(x), *map(numbers.percent, rows[x]), self._there[x], self._said[x]]
            for x in shown
        ]
        body.append(["all", *map(numbers.percent, total), self._there.total(), self._said.total()])
        head = ("", "precision", "recall", "F1", "entities", "said")
        return [element("p", note, class_="explain"), table(head, body, "numbers")]


def _tags(values: Any) -> list[str]:
    return [as_text(tag) for tag in as_list(values)]


def _by_place(entities: list[Entity]) -> dict[tuple[int, int], str]:
    return {(entity.start, entity.end): entity.type or "entity" for entity in entities}


def _card(line: dict[str, Any]) -> Markup:
    words = [as_text(word) for word in as_list(line.get("words"))]
    tags, said = _tags(line["tags"]), _tags(line["prediction"])
    words += ["?"] * (len(tags) - len(words))
    wrong = [i for i, (a, b) in enumerate(zip(tags, said, strict=True)) if a != b]
    begin = max(0, wrong[0] - _BEFORE) if len(tags) > _MAX_WORDS else 0
    shown = range(begin, min(begin + _MAX_WORDS, len(tags)))
    sentence = element("p", *(_word(words[i], tags[i], said[i]) for i in shown), class_="tagged")
    text = f"{len(wrong):,} of {len(tags):,} tags wrong"
    if len(shown) < len(tags):
        text += f"; shown are words {begin + 1:,} to {shown[-1] + 1:,}"
    return example_card(as_text(line.get("place")), [sentence], text)


def _word(word: str, tag: str, said: str) -> Markup:
    if tag == said == "O":
        return element("span", short_name(word))
    below: Content = element("small", short_name(tag))
    if tag != said:
        below = element("small", element("s", short_name(said)), " ", short_name(tag))
    return element("span", short_name(word), below, class_="right" if tag == said else "wrong")
