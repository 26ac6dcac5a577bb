"""What the model offers for each [MASK] of the fixed sentences, as training went on."""

from bert_jax.report.markup import Content, Markup, element
from bert_jax.report.run import Evaluation, Mask, Run, Sentence

MAX_ROWS = 7
_MASK = "[MASK]"
_MAX_SENTENCES = 24
_GUESSES = 5


def choose(evaluations: tuple[Evaluation, ...], limit: int = MAX_ROWS) -> list[Evaluation]:
    """Choose a handful from first to last, closer together early on, where most is learnt."""
    last = len(evaluations) - 1
    if last < limit:
        return list(evaluations)
    places: list[int] = []
    for i in range(limit):
        wanted = round(last * (i / (limit - 1)) ** 2)
        places.append(max(wanted, places[-1] + 1) if places else 0)
    return [evaluations[min(place, last)] for place in places]


def samples(run: Run) -> list[Markup]:
    """Make a card for each sentence of the last evaluation."""
    if not run.evaluations:
        return []
    shown = choose(run.evaluations)
    cards = []
    for sentence in run.evaluations[-1].sentences[:_MAX_SENTENCES]:
        # By text and not by place: an older evaluation may have had other sentences.
        history = [(e.step, s) for e in shown for s in e.sentences if s.text == sentence.text]
        tables = [_table(sentence, place, history) for place in range(len(sentence.masks))]
        cards.append(element("article", _text(sentence), *tables, class_="sample"))
    return cards


def _aligned(sentence: Sentence) -> bool:
    """Tell whether the gaps can be told from a "[MASK]" of the text itself."""
    return sentence.text.count(_MASK) == len(sentence.masks)


def _text(sentence: Sentence) -> Markup:
    """Write the sentence with its answers where the gaps are."""
    parts = sentence.text.split(_MASK)
    if not _aligned(sentence):
        return element("p", sentence.text, class_="sentence")
    content: list[Content] = [parts[0]]
    for mask, after in zip(sentence.masks, parts[1:], strict=True):
        content += [element("mark", mask.answer), after]
    return element("p", *content, class_="sentence")


def _table(sentence: Sentence, place: int, history: list[tuple[int, Sentence]]) -> Markup:
    answer = sentence.masks[place].answer
    rows = [
        element("tr", element("th", f"{step:,}"), *_cells(then.masks[place]))
        for step, then in history
        if place < len(then.masks)
    ]
    caption = None
    if len(sentence.masks) > 1 or not _aligned(sentence):
        caption = element("caption", "for ", element("b", answer))
    head = None
    if place == 0:
        words = element("th", "top five words, the likeliest first", colspan=_GUESSES)
        head = element("thead", element("tr", element("th", "step"), words))
    return element(
        "div",
        element("table", caption, head, element("tbody", *rows), class_="guesses"),
        class_="scroll",
    )


def _cells(mask: Mask) -> list[Markup]:
    cells = []
    for guess in mask.top[:_GUESSES]:
        share = min(1.0, max(0.0, guess.probability))
        right = guess.token == mask.answer
        percent = f"{100 * share:.0f}" if share >= 0.01 else "<1"
        cells.append(
            element(
                "td",
                element("div", element("span", guess.token), element("small", percent)),
                class_="right" if right else None,
                style=f"--p:{100 * share:.0f}%",
                title=f"{guess.token}: {100 * share:.1f}%{', the right answer' * right}",
            )
        )
    return cells + [element("td") for _ in range(_GUESSES - len(cells))]
