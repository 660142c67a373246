"""Markdown of the documentation as HTML: text is escaped, links are resolved, headings have the anchors of a forge."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Any, Final

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

Resolve = Callable[[str], str | None]
"""The address of a relative link in a page, None if it leads to nothing that is shown."""
OUTSIDE: Final = re.compile(r"(https?|mailto):", re.IGNORECASE)
_COMMENT: Final = re.compile(r"<!--.*?-->\s*", re.DOTALL)


@dataclass(frozen=True)
class Heading:
    """A heading of a page: its level, anchor and text."""

    level: int
    anchor: str
    text: str


@dataclass(frozen=True)
class Rendered:
    """A page as HTML, with its headings in order."""

    html: str
    headings: tuple[Heading, ...]


def render(text: str, resolve: Resolve) -> Rendered:
    """Return a page as HTML. HTML in the text is shown as text; links and pictures that `resolve` refuses are text."""
    tokens = _PARSER.parse(text)
    headings: list[Heading] = []
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            words = _words(following)
            heading = Heading(int(token.tag[1]), anchor(words, [one.anchor for one in headings]), words)
            token.attrSet("id", heading.anchor)
            headings.append(heading)
    for token in tokens:
        if token.children:
            token.children = _resolved(token.children, resolve)
    return Rendered(_PARSER.renderer.render(tokens, _PARSER.options, {}), tuple(headings))


def anchor(heading: str, taken: Sequence[str] = ()) -> str:
    """Return the anchor of a heading as forges make it; one that is taken gets a number."""
    name = re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
    same = sum(1 for one in taken if one == name or re.fullmatch(re.escape(name) + r"-\d+", one))
    return f"{name}-{same}" if same else name


def _words(token: Token) -> str:
    return "".join(one.content for one in token.children or () if one.type in {"text", "code_inline"})


def _resolved(tokens: Sequence[Token], resolve: Resolve) -> list[Token]:
    """Return tokens with addresses as `resolve` gives them, without links and pictures that lead nowhere."""
    shown: list[Token] = []
    kept: list[bool] = []
    for token in tokens:
        if token.type == "link_open":
            kept.append(_lead(token, "href", resolve))
            shown += [token] if kept[-1] else []
        elif token.type == "link_close":
            shown += [token] if kept.pop() else []
        elif token.type == "image" and not _lead(token, "src", resolve):
            shown.append(Token("text", "", 0, content=token.content))
        else:
            shown.append(token)
    return shown


def _lead(token: Token, name: str, resolve: Resolve) -> bool:
    """Set the address of a link or picture, and return whether there is one; pictures never come from elsewhere."""
    target = str(token.attrGet(name) or "")
    if OUTSIDE.match(target):
        token.attrSet("rel", "noreferrer")
        return name == "href"
    found = target if target.startswith("#") else resolve(target)
    token.attrSet(name, found or "")
    return found is not None


class _Renderer(RendererHTML):
    """HTML of tokens, with comments left out, other HTML escaped, and what is wide in a box that scrolls."""

    def html_block(self, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
        return escape(_COMMENT.sub("", tokens[idx].content))

    def html_inline(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return self.html_block(tokens, idx, options, env)

    def table_open(self, _tokens: Sequence[Token], _idx: int, _options: Any, _env: Any) -> str:
        return "<div class='wide' role='group' aria-label='Table' tabindex='0'><table>\n"

    def table_close(self, _tokens: Sequence[Token], _idx: int, _options: Any, _env: Any) -> str:
        return "</table></div>\n"

    def fence(self, tokens: Sequence[Token], idx: int, _options: Any, _env: Any) -> str:
        return f"<pre tabindex='0'><code>{escape(tokens[idx].content)}</code></pre>\n"

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return self.fence(tokens, idx, options, env)


_PARSER: Final = MarkdownIt("commonmark", renderer_cls=_Renderer).enable("table")
