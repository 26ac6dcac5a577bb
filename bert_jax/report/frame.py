"""What every page has around its contents, in one file that needs nothing else."""

import base64
import hashlib
from datetime import datetime

from bert_jax.report.markup import Content, Markup, element, join
from bert_jax.report.style import STYLE

# Should markup ever slip through from data, a browser still loads nothing, and runs nothing but the
# page's own script.
_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; {script}img-src data:; base-uri 'none'; "
    "form-action 'none'"
)
FROM_RUN: Content = (
    " from the run’s own files; ",
    element("code", "python -m bert_jax.report"),
    " writes it anew.",
)


def frame(
    name: str,
    *,
    header: Content,
    main: Content,
    written: datetime,
    footer: Content = FROM_RUN,
    style: str = "",
    script: str = "",
) -> str:
    """Return a whole page as HTML.

    Args:
        name: of the run or model, for the title.
        header: what stands on top.
        main: its sections.
        written: now.
        footer: what is said of that, behind the date.
        style: rules beyond those of all pages.
        script: what may run.
    """
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = _POLICY.format(script=f"script-src 'sha256-{digest}'; " if script else "")
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=policy),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="color-scheme", content="light dark"),
        element("title", f"{name} · bert_jax"),
        element("style", Markup(STYLE + style)),
    )
    body = element(
        "body",
        element("header", element("p", "bert_jax", class_="brand"), header),
        element("main", main),
        element(
            "footer",
            f"Written {written:%d %B %Y, %H:%M %Z}".strip(),
            footer,
        ),
        element("script", Markup(script)) if script else None,
    )
    return join(Markup("<!doctype html>\n"), element("html", head, body, lang="en"), "\n")


def section(title: str, content: Content) -> Markup | None:
    """Make a section of the page; None where there is nothing to show."""
    inside = join(content)
    return element("section", element("h2", title), inside) if inside else None


def fold(title: str, content: Markup | None) -> Markup | None:
    """Hide what is only looked up behind its title."""
    return element("details", element("summary", title), content) if content else None
