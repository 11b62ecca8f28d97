"""The report as a file: what it holds, where, and that nothing in it can become markup. test_browser.py looks at it."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from golong_eval.errors import StorageError
from golong_eval.harness import GridCell, read_run
from golong_eval.reports.html import write_report
from golong_eval.reports.html.figures import bar_figure, bins_of, grid_figure, histogram_figure, length_figures
from golong_eval.reports.html.payload import encode
from golong_eval.reports.html.tables import headline_table, sliced_tables

from .builders import effective, estimate, hostile_run, piece, results, task
from .hostile import MARKUP, hostile_everywhere
from .large import FACT, long_text, write_run

HOSTILE = (
    "</script><script>alert(1)</script><!--<script> <img src=x onerror=alert(2)> {{ 7*7 }} \u2028 \x00 \ud800 &amp;"
)


class Page(HTMLParser):
    """The page as a parser sees it: its elements, and the content of its scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self._inside: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag == "script":
            self._inside = dict(attrs)

    def handle_endtag(self, tag: str) -> None:
        if tag == "script":
            self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.scripts.append((self._inside, data))
        else:
            self.words.append(data)

    def json(self, name: str) -> object:
        return json.loads("".join(text for attrs, text in self.scripts if attrs.get("id") == name))


@pytest.fixture
def small(tmp_path: Path) -> Path:
    run = write_run(tmp_path / "run", [long_text(4_000, 0.5), long_text(8_000, 0.1)], 12, repeats=2)
    return write_report(run)


def test_it_stands_in_the_runs_folder_and_is_the_same_each_time(small: Path) -> None:
    assert small.name == "report.html"
    first = small.read_bytes()
    assert write_report(read_run(small.parent)).read_bytes() == first
    assert not small.with_suffix(".samples").exists()
    assert [file.name for file in small.parent.glob("*.part")] == []


def test_it_asks_for_nothing_outside(small: Path) -> None:
    text = small.read_text()
    page = Page(text)
    for tag, attributes in page.tags:
        assert tag not in ("iframe", "object", "embed", "base", "form") or tag == "form"
        for name in ("src", "href", "action", "srcset"):
            assert (attributes.get(name) or "#").startswith(("#", "data:")), (tag, attributes)
    assert "http://" not in re.sub(r'"HTTP 503"', "", text)
    assert "https://" not in text


def test_its_policy_allows_its_own_script_alone(small: Path) -> None:
    page = Page(small.read_text())
    policy = next(a["content"] or "" for tag, a in page.tags if a.get("http-equiv") == "Content-Security-Policy")
    code = [text for attributes, text in page.scripts if "type" not in attributes]
    assert len(code) == 1
    digest = base64.b64encode(hashlib.sha256(code[0].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}' 'strict-dynamic'" in policy
    assert "default-src 'none'" in policy
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on")]


def test_every_answer_is_in_it(small: Path) -> None:
    page = Page(small.read_text())
    payload = page.json("payload")
    assert isinstance(payload, dict)
    columns = payload["columns"]
    assert len(columns["id"]) == 24
    assert columns["id"][:4] == ["s000000", 0, "s000001", 0]  # 0: the name before it
    assert columns["status"][:8] == ["ok", 0, 0, 0, 0, "provider_error", 0, "ok"]
    assert columns["prompt"][5:7] == [None, None]  # a failure counted nothing
    assert columns["score"][:8] == [1.0, 0.0, 0.0, 0.0, 0.0, None, None, 1.0]
    part = page.json("s-0")
    assert isinstance(part, dict)
    assert len(part["rows"]) == 24
    first = part["rows"][0]
    assert first["question"] == "Who keeps light number 0?"
    assert (first["answer"], first["parsed"], first["gold"]) == ("[Answer]\nAda", "Ada", "Ada")
    assert part["shared"][first["before"]] == "Read.\n"
    name, title, number, digest, characters = part["shared"][first["documents"]][0]
    assert (name, title) == ("D1", "Log")
    texts = page.json(f"d-{number}")
    assert isinstance(texts, dict)
    text = texts[digest]
    assert len(text) == characters
    (document, start, end), *_ = first["evidence"]
    assert document == "D1"
    assert text[start:end] == "The keeper of the lighthouse is Ada."
    # Two repeats, one question.
    assert page.json("q-0") == [f"Who keeps light number {number}?" for number in range(12)]


def test_a_document_stands_there_once_however_many_samples_share_it(small: Path) -> None:
    assert small.read_text().count("The keeper of the lighthouse is Ada.") == 2


def test_beyond_the_limit_samples_and_documents_stand_beside_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [long_text(4_000, 0.5)], 30, extra="so " * 30_000)
    whole = write_report(run)
    assert not whole.with_suffix(".samples").exists()
    page = write_report(run, embedded=1_000_000)
    beside = page.with_suffix(".samples")
    names = sorted(file.name for file in beside.iterdir())
    assert next(name for name in names if name.startswith("d-")).endswith(".js")
    assert len([name for name in names if name.startswith("s-")]) >= 2
    assert page.stat().st_size < 60_000
    rows = 0
    for file in beside.glob("s-*.js"):
        found = re.fullmatch(r'golongPart\("(s-[0-9]+)",(.*)\);\n', file.read_text(), re.DOTALL)
        assert found is not None
        assert found[1] == file.stem
        rows += len(json.loads(found[2])["rows"])
    assert rows == 30
    # A later, smaller report leaves nothing stale.
    write_report(run)
    assert not beside.exists()


@pytest.mark.parametrize("text", ["潮" * 30_000, "<" * 20_000])
def test_the_limit_is_one_of_bytes_in_the_file(tmp_path: Path, text: str) -> None:
    """Chinese takes three bytes a character, and what could be markup six."""
    run = write_run(tmp_path / "run", [long_text(1_000, 0.5) + text], 1)
    page = write_report(run, embedded=80_000)
    assert page.with_suffix(".samples").is_dir()
    assert page.stat().st_size < 80_000


def test_a_folder_of_the_users_is_not_removed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [long_text(1_000, 0.5)], 1)
    own = tmp_path / "mine.samples"
    own.mkdir()
    (own / "thesis.txt").write_text("years")
    with pytest.raises(StorageError, match="holds thesis"):
        write_report(run, tmp_path / "mine.html")
    assert (own / "thesis.txt").read_text() == "years"


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    page = Page(write_report(hostile_run(tmp_path)).read_text())
    assert [tag for tag, _ in page.tags if tag == "img"] == []
    assert len([1 for attributes, _ in page.scripts if "type" not in attributes]) == 1


def test_hostile_text_stays_text_wherever_it_stands(tmp_path: Path) -> None:
    run = hostile_everywhere(tmp_path)
    page = Page(write_report(run).read_text())
    assert [tag for tag, _ in page.tags if tag == "img"] == []
    assert len([1 for attributes, _ in page.scripts if "type" not in attributes]) == 1
    assert any("model </script>" in word and "{{7*7}}" in word for word in page.words)  # the template did not run it
    part = page.json("s-0")
    assert isinstance(part, dict)
    first, last = part["rows"][0], part["rows"][4]
    assert first["question"] == f"question {MARKUP}"
    assert first["thinking"] == f"thinking {MARKUP}"
    assert first["answer"] == f"[Answer]\nparsed {MARKUP}?"  # no file can hold a lone surrogate
    assert last["gold_table"] == [[f"column {MARKUP}"], [f"cell {MARKUP}"], [""]]
    assert part["rows"][2]["error"].startswith("RuntimeError: error </script>")


@pytest.mark.parametrize("text", [HOSTILE, "\u2029", "<!--", "]]>", "\ud83d\ude00 \U0001f600"])
def test_encoded_values_cannot_leave_their_element(text: str) -> None:
    encoded = encode({"a": text})
    assert not re.search("[<>&\u2028\u2029]", encoded)
    assert json.loads(encoded)["a"] == text.encode("utf-8", "replace").decode()


def test_a_document_that_changed_or_is_gone_is_told_where_it_would_stand(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [long_text(4_000, 0.5), long_text(5_000, 0.5), long_text(6_000, 0.5)], 3)
    changed, gone, _ = sorted((run.path / "samples.documents").iterdir())
    changed.write_text("something else")
    gone.unlink()
    texts = Page(write_report(run).read_text()).json("d-0")
    assert isinstance(texts, dict)
    assert "has changed" in texts[changed.stem]["error"]
    assert "cannot read" in texts[gone.stem]["error"]
    assert len([text for text in texts.values() if isinstance(text, str)]) == 1


def test_an_error_leaves_the_old_report_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run", [long_text(4_000, 0.5)], 4)
    page = write_report(run, embedded=1_000)
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        write_report(run, embedded=1_000)
    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before
    assert page.is_file()


def test_many_documents_make_few_parts_and_no_large_one(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [f"{FACT}{number}" for number in range(2_000)], 2_000, extra="x" * 2_000)
    page = write_report(run, embedded=100_000)
    sizes = {file.name: file.stat().st_size for file in page.with_suffix(".samples").iterdir()}
    assert [name for name in sizes if name.startswith("d-")] == ["d-0.js"]
    assert 4 <= len(sizes) <= 8
    assert max(sizes.values()) < 1_100_000


def test_two_writers_at_once_leave_one_whole_report(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [long_text(40_000, 0.5)], 200, extra="so " * 2_000)
    with ThreadPoolExecutor(4) as pool:
        tries = [pool.submit(write_report, run, None, embedded=100_000) for _ in range(8)]
    errors = [one.exception() for one in tries]
    assert any(error is None for error in errors)
    assert all(error is None or isinstance(error, StorageError) for error in errors)
    page = write_report(run, embedded=100_000)
    names = {file.stem for file in page.with_suffix(".samples").iterdir()}
    payload = Page(page.read_text()).json("payload")
    assert isinstance(payload, dict)
    assert {f"s-{number}" for number in range(len(payload["starts"]))} | {"d-0", "q-0"} == names
    assert [file.name for file in run.path.iterdir() if file.name.startswith(".report")] == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", [long_text(4_000, 0.5)], 2)
    with pytest.raises(StorageError, match=r"cannot write .*nowhere"):
        write_report(run, tmp_path / "nowhere" / "report.html")


# ── figures ──


def shapes(figure: str, kind: str) -> list[dict[str, float]]:
    root = ElementTree.fromstring(figure)
    found = [one for one in root.iter() if one.get("class") == kind]
    return [{name: float(value) for name, value in one.items() if re.fullmatch(r"[0-9.]+", value)} for one in found]


def test_bars_by_hand() -> None:
    figure = bar_figure(results(task("t1", mean=0.5, low=0.25, high=1.0, chance=0.1), task("t2", mean=None, low=None)))
    # The scale runs from 190 to 664.
    assert shapes(figure, "bar") == [{"x": 190.0, "y": 27.0, "width": 237.0, "height": 16.0}]
    assert shapes(figure, "whisker")[0] == {"x1": 308.5, "y1": 35.0, "x2": 664.0, "y2": 35.0}
    assert [line["x1"] for line in shapes(figure, "chance")] == [237.4]


def test_names_in_figures_are_escaped() -> None:
    figure = bar_figure(results(task("t1", name='<script>"&')))
    assert "<script>" not in figure
    ElementTree.fromstring(figure)


def test_one_length_has_no_curve() -> None:
    assert length_figures(results(task("t1", slices=(piece("length", "8K", 0.5),)))) == []


def test_curves_by_hand() -> None:
    pieces = (
        piece("length", "2K", 1.0, 0.8, 1.0),
        piece("length", "16K", 0.5, 0.25, 0.75),
        piece("depth", "0-20 %", 0),
    )
    (figure,) = length_figures(results(task("t1", slices=pieces, effective_length=effective(2048))))
    # x from 30 to 222; y from 24 (1) to 128 (0).
    assert 'points="30.0,24.0 222.0,76.0"' in figure
    assert 'points="30.0,24.0 222.0,50.0 222.0,102.0 30.0,44.8"' in figure


def test_the_grid_weighs_tasks_by_their_answers() -> None:
    figure = grid_figure(
        [
            [GridCell(length="8K", depth="0-20 %", mean=1.0, n=1)],
            [
                GridCell(length="8K", depth="0-20 %", mean=0.0, n=9),
                GridCell(length="16K", depth="spread", mean=0.5, n=2),
            ],
        ]
    )
    assert figure is not None
    assert "8K, 0-20 %: 0.100, n 10" in figure
    assert "16K, 0-20 %: no answers" in figure
    assert len(shapes(figure, "cell few")) == 1
    assert grid_figure([[], []]) is None


def test_bins_hold_every_value() -> None:
    assert [one.count for one in bins_of([0.0, 0.5, 1.0], wanted=2)] == [1, 2]
    wide = bins_of([1.0, 10.0, 100.0, 1000.0], wanted=3)
    assert [round(one.low) for one in wide] == [1, 10, 100]
    assert sum(one.count for one in wide) == 4
    assert bins_of([]) == []
    assert [(one.low, one.count) for one in bins_of([3, 3])] == [(3.0, 2)]


@given(
    st.lists(
        st.one_of(st.integers(0, 10**7), st.floats(0, 10**7).map(lambda one: round(one, 3))), min_size=1, max_size=60
    )
)
def test_bins_are_few_and_hold_every_value(values: list[float]) -> None:
    bins = bins_of(values)
    assert sum(one.count for one in bins) == len(values)
    assert len(bins) <= 25 or max(values) > 1e24 * min(value for value in values if value)
    assert all(one.high == other.low for one, other in itertools.pairwise(bins))
    assert bins[0].low <= min(values) * (1 + 1e-9)
    assert bins[-1].high >= max(values) * (1 - 1e-9)


def test_bins_have_round_edges() -> None:
    assert [(one.low, one.high) for one in bins_of([705, 3000, 8622])][:2] == [(500, 1000), (1000, 1500)]
    # Counts of tokens are whole: no bin is narrower than 1, and none of the lowest is empty for that.
    assert [one.count for one in bins_of([1, 2, 2, 4])] == [1, 2, 0, 1]
    # Empty answers among long ones: the others keep their shape.
    none, *others = bins_of([0, 0, 10, 1000])
    assert (none.low, none.high, none.count) == (0, 10, 2)
    assert [round(one.low) for one in others] == [10, 16, 25, 40, 63, 100, 158, 251, 398, 631]


def test_histograms_by_hand() -> None:
    figure = histogram_figure("Prompt", "tokens", [1, 2, 2, 3])
    assert figure is not None
    # Three bins from 12 to 328, 105.3 each; the highest from 128 up to 40.
    assert shapes(figure, "bar") == [
        {"x": 12.5, "y": 84.0, "width": 104.3, "height": 44.0},
        {"x": 117.8, "y": 40.0, "width": 104.3, "height": 88.0},
        {"x": 223.2, "y": 84.0, "width": 104.3, "height": 44.0},
    ]
    ticks = [one.text for one in ElementTree.fromstring(figure).iter() if one.get("class") == "tick"]
    assert ticks == ["median 2, highest 3 tokens", "1", "2", "3", "4"]
    wide = histogram_figure("Prompt", "tokens", [0, 1, 10, 1000])
    assert wide is not None
    assert "log scale" in wide
    ticks = [one.text for one in ElementTree.fromstring(wide).iter() if one.get("class") == "tick"]
    assert ticks[1:] == ["0", "1", "10", "100", "1,000"]


def test_every_figure_says_what_it_is() -> None:
    pieces = (piece("length", "2K", 1.0), piece("length", "4K", 0.5))
    grid = grid_figure([[GridCell(length="8K", depth="0-20 %", mean=1.0, n=1)]])
    shown = results(task("t1", slices=pieces))
    for figure in (bar_figure(shown), *length_figures(shown), grid, histogram_figure("Answer", "tokens", [1])):
        root = ElementTree.fromstring(figure or "")
        assert root.get("role") == "img"
        assert [(one.tag, bool(one.text)) for one in root][:2] == [("title", True), ("desc", True)]


# ── tables ──


def test_the_headline_says_how_intervals_were_made_and_what_failures_cost() -> None:
    table = headline_table(results(task("t1"), task("t2", scored=10, mean_scored=1.0), average=estimate(0.5)))
    header = list(table.header)
    assert header[5:8] == ["mean", "95 % interval", "scored"]
    assert [row[7] for row in table.rows] == ["0.500", "1.000", ""]
    assert [row[-1] for row in table.rows] == ["bootstrap-t", "bootstrap-t", "fewer than 10 scores"]
    assert header[-1] == "interval by"
    plain = headline_table(results(task("t1")))
    assert not {"scored", "interval by"} & set(plain.header)
    assert "each made by bootstrap-t" in plain.notes[0]


def test_slices_of_few_answers_are_known() -> None:
    few = piece("depth", "20-40 %", 1.0)
    few = few.model_copy(update={"score": few.score.model_copy(update={"n": 4})})
    (sliced,) = sliced_tables(results(task("t1", slices=(piece("depth", "0-20 %", 0.5), few))))
    assert sliced.answers == {(0, 1): 10, (0, 2): 4}
    assert sliced.has_few


def test_a_histogram_of_nothing_is_none() -> None:
    assert histogram_figure("Prompt", "tokens", []) is None
    figure = histogram_figure("Prompt", "tokens", [1, 2, 3])
    assert figure is not None
    assert "median 2, highest 3 tokens" in figure
