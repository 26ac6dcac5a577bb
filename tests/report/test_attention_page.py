"""The page of attention: numbers that survive the picture, nothing foreign, a script that works."""

import base64
import hashlib
import html
import io
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime

import matplotlib.pyplot as plt
import numpy as np
import pytest

from bert_jax.report.attention.heads import summarize
from bert_jax.report.attention.page import Attended, render
from bert_jax.report.attention.picture import draw_heads

NOW = datetime(2026, 1, 2, tzinfo=UTC)
BAD = '"><script>alert(1)</script>&amp;'


def draw(layers, heads, tokens):
    """Draw probabilities at random, some of them near one."""
    scores = 3 * np.random.default_rng(0).standard_normal((layers, heads, tokens, tokens))
    shares = np.exp(scores)
    return shares / shares.sum(-1, keepdims=True)


def line(layers, heads, words=("[CLS]", "the", "cat", "[SEP]"), texts=("the cat",)):
    special = tuple(word in ("[CLS]", "[SEP]") for word in words)
    segments = (0,) * (len(words) - 1) + (len(texts) - 1,)
    return Attended(texts, tuple(words), segments, special, draw(layers, heads, len(words)))


def test_what_each_head_does():
    by_hand = np.array([[[0.5, 0.5, 0.0], [1.0, 0.0, 0.0], [0.25, 0.25, 0.5]]])
    other = np.array([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [0.0, 0.0, 1.0]]])
    heads = summarize(np.stack([by_hand, other]), [True, False, False])
    np.testing.assert_allclose(heads.entropy, [[(1 + 0 + 1.5) / 3], [0]])
    np.testing.assert_allclose(heads.special, [[1.75 / 3], [0]])
    np.testing.assert_allclose(heads.itself, [[1 / 3], [1 / 3]])
    np.testing.assert_allclose(heads.previous, [[(1 + 0.25) / 2], [0]])
    np.testing.assert_allclose(heads.following, [[0.5 / 2], [1]])


def test_a_text_of_one_token_has_no_neighbours():
    heads = summarize(np.ones((2, 3, 1, 1)), [True])
    assert (heads.itself == 1).all() and (heads.previous == 0).all()
    assert heads.following.shape == (2, 3)


def test_the_picture_holds_the_probabilities_to_a_third_of_a_percent():
    shares = draw(2, 3, 7)
    shares[0, 0, 0], shares[1, 2, 6] = np.eye(7)[3], np.eye(7)[0]
    picture = plt.imread(io.BytesIO(draw_heads(shares)), format="png")
    assert picture.shape == (2 * 7, 3 * 7)
    for layer in range(2):
        for head in range(3):
            found = picture[7 * layer : 7 * layer + 7, 7 * head : 7 * head + 7] ** 2
            np.testing.assert_allclose(found, shares[layer, head], rtol=0, atol=0.004)


def test_text_stays_text_and_only_the_page_s_own_script_may_run():
    page = render(BAD, [line(2, 2, ("[CLS]", BAD, "[SEP]", "[SEP]"), (BAD, BAD))], NOW)
    assert "<script>alert" not in page and page.count("<script>") == 1
    assert page.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;") == 5
    (script,) = re.findall("<script>(.*)</script>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src &#x27;sha256-{digest}&#x27;; img-src data:;" in page
    assert "default-src &#x27;none&#x27;" in page
    assert re.findall(r'(?:src|href|action)="(?!data:image/png;base64,)', page) == []
    assert "@import" not in page and "url(" not in page


def test_each_line_has_its_part_with_a_button_and_a_row_for_each_head():
    page = render("model", [line(2, 3), line(2, 3, texts=("a", "b"))], NOW)
    assert page.count("<section") == page.count("<img") == 2
    assert page.count('aria-label="layer 2, head 3"') == page.count('data-head="5"') == 2
    assert page.count('class="words"') == 1 + 2


def test_a_page_of_base_and_64_tokens_stays_small():
    words = ["[CLS]", *(f"word{i}" for i in range(62)), "[SEP]"]
    assert len(render("model", [line(12, 12, words)], NOW)) < 1_500_000


CHECK = """<script>setTimeout(() => {
  const at = name => document.querySelector(name);
  const all = name => [...document.querySelectorAll(name)];
  const shares = () => all(".words small").map(x => x.textContent);
  const seen = {shown: !at(".chosen").hidden};
  all(".tiles button")[4].click();
  all(".words button")[2].click();
  Object.assign(seen, {title: at(".chosen h3").textContent, shares: shares()});
  all(".words button")[2].dispatchEvent(new KeyboardEvent("keydown", {key: "ArrowRight"}));
  seen.next = shares();
  all("thead button")[2].click();
  seen.order = all("tbody tr").map(row => Number(row.dataset.head));
  document.body.replaceChildren(JSON.stringify(seen));
}, 500)</script>"""


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs Chromium")
def test_the_script_shows_the_shares_of_the_head_and_token_chosen(tmp_path):
    given = line(2, 3)
    page = tmp_path / "page.html"
    text = re.sub(
        r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", render("m", [given], NOW)
    )
    page.write_text(text + CHECK)
    done = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--virtual-time-budget=3000",
         f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", page.as_uri()],
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    (body,) = re.findall("<body>(.*)</body>", done.stdout, re.DOTALL)
    seen = json.loads(html.unescape(body))
    assert seen["shown"] and seen["title"] == "Layer 2, head 2"
    head = given.probabilities[1, 1]
    for shown, expected in ((seen["shares"], head[2]), (seen["next"], head[3])):
        percents = [float(share.replace("<1", "0").rstrip("%")) for share in shown]
        np.testing.assert_allclose(percents, 100 * expected, rtol=0, atol=1)
    special = summarize(given.probabilities, given.special).special.ravel()
    assert seen["order"] == np.argsort(-special).tolist()
