"""Readers, sections and sentences: what is taken out of real files, and that it is taken as it stands."""

from __future__ import annotations

import gzip
from pydoc_data import topics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.tasks.builders.readers import Unreadable, extract, kind_of
from golong_eval.tasks.builders.sections import first_heading, headings, split
from golong_eval.tasks.builders.sentences import sentences
from golong_eval.tasks.builders.terms import document_language, fold, hyphenated, term_counts

PAGE = """<?xml version="1.0" encoding="utf-8"?>
<html><head><title>The page</title><style>p {}</style></head><body>
<nav>Menu</nav><div role="navigation">Next</div>
<h2>A <em>heading</em><a class="headerlink" href="#x">¶</a></h2>
<p>One <b>bold</b> word &amp; a <a href="http://x.org">link</a>,
over two lines.<br/>After a break.</p>
<ul><li>first<p>more</p></li><li>second <ol><li>inner</li></ol></li></ul>
<pre>code  is
  kept</pre>
<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>
<script>alert(1)</script></body></html>"""


def test_html_becomes_what_a_reader_sees():
    text, title = extract("page.html", PAGE.encode())
    assert title == "The page"
    assert text == (
        "## A heading\n\nOne bold word & a link, over two lines.\nAfter a break.\n\n"
        "* first\n\n  more\n\n* second\n  1. inner\n\n```\ncode  is\n  kept\n```\n\n| a | b |\n| 1 | 2 |"
    )


def test_html_in_its_declared_encoding():
    page = '<html><head><meta charset="gb2312"></head><body><p>中文</p></body></html>'
    assert extract("page.htm", page.encode("gb2312")).text == "中文"


def test_deep_html_is_no_crash():
    with pytest.raises(Unreadable):
        extract("page.html", b"<div>" * 100_000)


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.txt", "Zürich\n".encode()),
        ("a.txt", "Zürich\r\n".encode("utf-8-sig")),
        ("README", "Zürich\r".encode("utf-16")),
        ("a.md.gz", gzip.compress("Zürich\n".encode(), mtime=0)),
    ],
    ids=["utf-8", "utf-8-bom", "utf-16", "gzip"],
)
def test_text_is_decoded(name, data):
    assert extract(name, data).text == "Zürich\n"


def test_kinds():
    assert [kind_of(name) for name in ("a.TXT", "b.html.gz", "c.pdf", "copyright", "d.so", "changelog.gz")] == [
        "text",
        "html",
        "pdf",
        "text",
        None,
        "text",
    ]


@given(st.text(st.sampled_from("ab \n\n.A#=-。"), max_size=400), st.integers(1, 80))
def test_sections_are_contiguous_slices_under_the_limit(text, limit):
    spans = split(text, limit)
    at = 0
    for span in spans:
        assert at <= span.start < span.end <= len(text)
        assert span.end - span.start <= limit
        # What lies between two sections is white space, or a line over the limit.
        gap = text[at : span.start]
        assert not gap.strip() or max(map(len, gap.split("\n"))) + 1 > limit
        at = span.end


@pytest.mark.parametrize("name", sorted(topics.topics))
def test_real_documents_are_split_without_loss(name):
    text = topics.topics[name]
    for limit in (400, 4000, 10**6):
        kept = "".join("".join(text[span.start : span.end].split()) for span in split(text, limit))
        assert kept == "".join(text.split())


def test_headings_of_all_kinds():
    text = (
        "Title\n=====\n\nText.\n\n## Second ##\n\n```\n# a comment\n```\n\n****\nOver\n****\n\nMore.\n\n"
        "2.3. Numbered one\n\n第三章 中文标题\n\nEnd.\n"
    )
    titles = ["Title", "Second", "Over", "2.3. Numbered one", "第三章 中文标题"]
    assert [heading.title for heading in headings(text)] == titles
    assert first_heading(text) == "Title"
    assert first_heading("No heading here.\n\n# Later\n") is None


@pytest.mark.parametrize("name", sorted(topics.topics))
def test_sentences_are_whole_and_in_place(name):
    text = topics.topics[name]
    for start, end, quote in sentences(text, "en"):
        assert fold(text[start:end]) == quote
        assert quote[0].isupper()
        assert quote.rstrip('"”’)')[-1] in ".!?"
        assert "_" not in quote


def test_what_is_no_prose_is_not_quoted():
    text = (
        "# A Heading That Looks Like a Sentence Here.\n\n"
        "    Indented code that is a whole sentence here.\n\n"
        "* A list item that is a whole sentence here.\n\n"
        "| A table row that is | a whole sentence here. |\n\n"
        "```\nA fenced line that is a whole sentence here.\n```\n\n"
        "A sentence of e.g. eight words stands right here. It cites Dr. Smith and has one more end. Too short.\n\n"
        "A hyphen-\nated line breaks this sentence into two parts.\n"
    )
    assert [sentence.quote for sentence in sentences(text, "en")] == [
        "A sentence of e.g. eight words stands right here.",
        "It cites Dr. Smith and has one more end.",
    ]


def test_chinese_sentences():
    text = "　　商人从各地赶来，在城里住上几个月。他说：“明天一早我们就出发去长安。”短句。\n"
    assert [sentence.quote for sentence in sentences(text, "zh")] == [
        "商人从各地赶来，在城里住上几个月。",
        "他说：“明天一早我们就出发去长安。”",
    ]


def test_languages():
    assert document_language("Le chat noir dort sous la table de la cuisine, et il ne se lève pas.") is None
    assert document_language("これはにほんごのぶんしょうです。") == "unspaced"


def test_terms_leave_out_compounds():
    counts = term_counts("Bridge, bridge. built-in don't www.bridge.org bridges (bridge)", "en")
    assert counts == {"bridge": 3, "bridges": 1}
    assert hyphenated("an infor-\nmation line") == {"infor", "mation", "information"}
