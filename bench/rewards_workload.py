"""A seeded GRPO step for `bench/rewards.py`: groups of eight rollouts that share a gold, as policies write them.

A rollout is thinking in ordinary prose (sentences of pydoc) and an answer in natural decoration. In each group some
are right, some partly right, some wrong; a few hold no answer, stop inside the thinking, or repeat the one before.
Two steps share no more than single sentences. Nothing here imports golong_eval.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from random import Random
from typing import Any, NamedTuple

GROUP = 8
METRICS = ("exact_match", "accuracy", "f1", "math_verify", "iou", "sub_em", "ndcg", "pairwise_accuracy", "rouge_l")
SHARES = {
    "equal": dict.fromkeys(METRICS, 1 / 9),
    # Published are the shares of T1 to T4 together, of T5, and of T6 to T9 together; inside these the split is even.
    "released": {m: 0.924 / 4 if i < 4 else 0.042 if i == 4 else 0.034 / 4 for i, m in enumerate(METRICS)},
}
CHINESE = "rouge_l, Chinese"
KEPT = {"right": 1.0, "partly": 0.75, "wrong": 0.1, "unparsable": 0.1, "truncated": 0.1}
"""Kinds of rollouts, and how much of the gold is kept in a graded answer."""


class Rollout(NamedTuple):
    """One response; `target` and `answer` are its gold and its answer already read, as the peers take them."""

    metric: str
    response: str
    gold: Any
    target: Any
    answer: Any
    kind: str


Task = tuple[Any, Any, Callable[[str], tuple[str, Any]]]
"""A gold, the same for the peers, and what writes an answer area of a kind, with the answer that is in it."""


def groups_of(shares: str, rollouts: int, chinese: float = 0.1) -> dict[str, int]:
    """Return the number of groups by metric, rounded by largest remainders, Chinese summaries as `CHINESE`."""
    exact = {metric: share * (rollouts // GROUP) for metric, share in SHARES[shares].items()}
    counts = {metric: int(value) for metric, value in exact.items()}
    for metric in sorted(exact, key=lambda m: counts[m] - exact[m])[: rollouts // GROUP - sum(counts.values())]:
        counts[metric] += 1
    counts[CHINESE] = round(chinese * counts["rouge_l"])
    counts["rouge_l"] -= counts[CHINESE]
    return {metric: count for metric, count in counts.items() if count}


def step(key: str, groups: Mapping[str, int], words: int = 0, bare: bool = False) -> list[Rollout]:
    """Return the rollouts of one training step; another key gives other texts.

    `words` is the exact length of summaries, 0 for 100 to 600. `bare` answers have no thinking, and none repeats or
    holds no answer.
    """
    made = []
    for metric, count in groups.items():
        for place in range(count):
            rng = Random(f"{key}/{metric}/{place}")
            task = _TASKS[metric](rng, metric) if metric in _TASKS else _summary(rng, metric == CHINESE, words)
            made.append(_group(rng, metric.partition(",")[0], task, bare))
    Random(key).shuffle(made)
    return [rollout for group in made for rollout in group]


def _group(rng: Random, metric: str, task: Task, bare: bool) -> list[Rollout]:
    gold, target, write = task
    ability = rng.uniform(0.1, 0.9)
    weights = (ability, (1 - ability) / 2, (1 - ability) / 2, 0 if bare else 0.05, 0 if bare else 0.03)
    made: list[Rollout] = []
    while len(made) < GROUP:
        kind = rng.choices(tuple(KEPT), weights)[0]
        area, answer = write(kind)
        response = f"[Answer]\n{area}" if bare else _response(rng, metric, kind, area)
        read = type(answer)() if kind in ("unparsable", "truncated") else answer
        made += [Rollout(metric, response, gold, target, read, kind)] * (2 if rng.random() < 0.03 and not bare else 1)
    return made[:GROUP]


@cache
def _sentences() -> tuple[str, ...]:
    from pydoc_data.topics import topics

    paragraphs = (" ".join(part.split()) for text in topics.values() for part in re.split(r"\n\s*\n", text))
    found = (sentence for part in paragraphs for sentence in re.split(r"(?<=[.!?]) (?=[A-Z])", part))
    return tuple(sorted({s for s in found if re.fullmatch(r"[A-Z][^|<>{}*`=\[\]]{30,300}[.]", s)}))


def _prose(rng: Random, count: int) -> str:
    return " ".join(rng.choices(_sentences(), k=count))


def _response(rng: Random, metric: str, kind: str, area: str) -> str:
    head, tail = rng.choices((("[Answer]\n", ""), ("**[Answer]**\n", ""), ("<answer>", "</answer>")), (90, 5, 5))[0]
    if metric in ("exact_match", "accuracy", "math_verify", "iou") and rng.random() < 0.1:
        head = tail = ""  # no marker: the whole text is the answer area
    shown = (_prose(rng, rng.randint(1, 4)) + "\n\n" if rng.random() < 0.7 else "") + head + area + tail
    if kind == "unparsable":
        cut = f"[Answer]\n{area[: len(area) * 2 // 3]}" if metric == "iou" else f"I can't tell. {_prose(rng, 3)}"
        shown = rng.choice(("", cut, cut))
    tokens = math.exp(rng.uniform(math.log(200), math.log(16_000)))  # of four characters
    sentences = rng.choices(_sentences(), k=max(2, int(4 * tokens - len(shown)) // 108))
    sentences[4::5] = [f"{sentence}\n\nWait." for sentence in sentences[4::5]]
    thinking = " ".join(sentences) + (f"\n[Answer]\n{area}\nOnce more." if rng.random() < 0.05 else "")
    if kind == "truncated":
        return f"<think>\n{thinking}"
    return f"{'<think>' if rng.random() < 0.7 else ''}\n{thinking}\n</think>\n\n{shown}"


_LINES = ("{}", "{}", "- {}", "* {}", "{i}. {}", "{i}) {}", "**{}**", "- **{}**", "{i}. **{}**", "`{}`")
_SAID = ("{}", "{}", "**{}**", "{}.", "`{}`", "The answer is {}.", "**The answer is {}**", "{why}\n\nThe answer is {}.")
_CHOSEN = (*_SAID, "({})", r"\boxed{{}}", "Option {}", "The correct choice is {} because it is said so.", "{}. {why}")
_SOLVED = (*[r"\boxed{{}}"] * 4, r"$\boxed{{}}$", r"{why} So it is \boxed{{}}.", "{}", "**{}**", "The answer is {}.")
_FORMS = (  # of one value, the gold's first, with shares: plain numbers, simple LaTeX, what needs a symbolic check
    (10, ("{n}", "{n:,}", "{n}")),
    (10, ("{x:.2f}", "{x:,.2f}")),
    (10, ("{x:.2f}%", r"{x:.2f}\%", "{x:.2f} percent")),
    (10, ("${x:,.2f}", "{x:.2f} dollars", r"\${x:.2f}")),
    (10, ("{n} km", "{n:,} kilometers", "{n}", r"{n}\text{{ km}}")),
    (10, ("${t} million", "{t} million dollars", "${m:,}")),
    (5, (r"\frac{{{a}}}{{{b}}}", "{a}/{b}", r"\dfrac{{{a}}}{{{b}}}")),
    (5, (r"{a}\sqrt{{{b}}}", r"{a} \sqrt{{{b}}}")),
    (5, (r"\frac{{{a}\pi}}{{{b}}}", r"{a}\pi/{b}")),
    (5, ("{a}^{{{b}}}", "{a}^{b}")),
    (5, (r"\frac{{\sqrt{{{b}}}}}{{{a}}}", r"\sqrt{{{b}}}/{a}")),
    (3, ("{b}x^2 + {p}x + {a}", "({b}x + {a})(x + 1)", "(x+1)({b}x+{a})")),
    (3, (r"\frac{{{s}}}{{{q}}}", r"\frac{{{a}}}{{{b}}} + \frac{{{b}}}{{{a}}}")),
    (3, (r"{a}\sqrt{{{b}}}", r"\sqrt{{{r}}}")),
    (3, (r"{a}\sin(2x)", r"2 \cdot {a}\sin(x)\cos(x)")),
    (3, (r"{b}\ln 2", r"\ln({l})")),
)


def _phrase(rng: Random) -> str:
    words = re.findall(r"[A-Za-z]+", rng.choice(_sentences()))
    start = rng.randrange(max(1, len(words) - 5))
    return " ".join(words[start : start + rng.randint(2, 6)])


def _date(rng: Random) -> str:
    return f"{rng.randint(1, 28)} {rng.choice(('January', 'March', 'May', 'August'))} {rng.randint(1850, 2024)}"


def _label(rng: Random) -> str:
    return f"D{rng.randint(1, 150)}"


def _short(rng: Random, metric: str) -> Task:
    """A text, a choice, or a number in several forms."""
    options = rng.choice((list("ABCD"), list("ABCD"), list("ABCDEFGHIJ"), ["yes", "no"]))
    draw = rng.choice((_phrase, _date))
    forms = rng.choices([forms for _, forms in _FORMS], [share for share, _ in _FORMS])[0]

    def drawn() -> list[str]:
        if metric != "math_verify":
            return [draw(rng) if metric == "exact_match" else rng.choice(options)]
        n, t, a, b = rng.randint(2, 99_999), rng.randint(11, 999), rng.randint(2, 19), rng.choice((2, 3, 5, 7, 11))
        values = {"n": n, "x": n / 100, "t": t / 10, "m": t * 100_000, "a": a, "b": b, "p": a + b, "q": a * b}
        return [form.format(**values, s=a * a + b * b, r=a * a * b, l=2**b) for form in forms]

    gold = drawn()

    def write(kind: str) -> tuple[str, str]:
        text = rng.choice(gold if kind == "right" else drawn())
        ways = _SOLVED if metric == "math_verify" else _CHOSEN if len(text) == 1 else _SAID
        if kind == "partly" and metric == "accuracy":  # a corrected answer
            ways = (f"The answer is {gold[0]}. Wait: {{why}} The answer is {{}}.",)
        elif kind == "partly":
            text = f"{gold[0]} and {text}" if metric == "exact_match" else f"-{gold[0]}"
        area = rng.choice(ways).replace("{why}", _prose(rng, 2)).replace("{}", text)
        return area, area if metric == "accuracy" else text

    return gold[0], gold[0], write


def _list(rng: Random, metric: str) -> Task:
    count, draw = rng.randint(1, 40), rng.choice((_label, _phrase, _date))
    pool: dict[str, str] = {}
    while len(pool) < count * 3 // 2 + 2:
        text = f"F{len(pool) % count + 1}: {_label(rng)}" if metric == "sub_em" else draw(rng)
        pool.setdefault(text.lower(), text)
    gold, others = list(pool.values())[:count], list(pool.values())[count:]

    def write(kind: str) -> tuple[str, tuple[str, ...]]:
        items = list(dict.fromkeys(item if rng.random() < KEPT[kind] else rng.choice(others) for item in gold))
        if metric in ("f1", "sub_em"):
            rng.shuffle(items)
        for _ in range(int(len(items) * (1 - KEPT[kind])) if len(items) > 1 else 0):
            place = rng.randrange(len(items) - 1)
            items[place : place + 2] = reversed(items[place : place + 2])
        line, end = rng.choice(_LINES), rng.choices(("\n", ".\n", "\n\n"), (80, 8, 12))[0]
        return end.join(line.replace("{i}", str(i)).replace("{}", v) for i, v in enumerate(items, 1)), tuple(items)

    return gold, tuple(gold), write


def _table(rng: Random, _metric: str) -> Task:
    columns = ["name", *rng.sample(("price", "opened", "staff", "weight", "owner", "depth"), rng.randint(1, 5))]
    draws = (lambda: rng.randint(1, 9999), lambda: rng.randint(1, 99_999) / 100, lambda: _date(rng))
    cells = [lambda: _phrase(rng), *rng.choices(draws, k=len(columns) - 1)]
    rows = [[draw() for draw in cells] for _ in range(rng.randint(1, 40))]

    def lines(table: list[list[Any]]) -> tuple[str, ...]:
        return tuple(" | ".join(map(str, row)) for row in table)

    def write(kind: str) -> tuple[str, tuple[str, ...]]:
        answered = [row if rng.random() < KEPT[kind] else [draw() for draw in cells] for row in rows]
        rng.shuffle(answered)
        order = rng.sample(range(len(columns)), len(columns)) if rng.random() < 0.3 else range(len(columns))
        write_cell = rng.choice((str, lambda cell: cell, lambda cell: cell))
        said = [[write_cell(row[i]) for i in order] for row in answered]
        value = {"columns": [columns[i] for i in order], "data": said}
        text = json.dumps(value, indent=rng.choice((None, None, 2)))
        return rng.choice(("{}", "```json\n{}\n```")).replace("{}", text), lines(answered)

    return json.dumps({"columns": columns, "data": rows}), lines(rows), write


_HAN = """
    去年冬天 今年三月 上个季度 会议期间 台风过后 第二天早晨 改造完成后 汛期结束前 开馆第一周 两个月以后
    社区议事会 市图书馆 水文监测站 施工单位 县档案室 码头管理处 植物研究所 志愿者小组 审计部门 校办工厂
    检查了 公布了 修复了 调整了 统计了 推迟了 批准了 重新整理了 移交了 否决了 补充了 验收了
    电梯年检报告 排水沟的维护计划 古籍目录 茶叶收购价格 降雨量记录 轮渡时刻表 车棚工程合同 借阅规则 桥梁荷载数据
    居民对此表示满意 费用比预算多出百分之{} 共有{}人参加 预计需要{}天 其中{}项不合格 相关文件保存了{}年
"""
_HAN_PARTS = [line.split() for line in _HAN.strip().splitlines()]


def _sentence(rng: Random, chinese: bool) -> str:
    if not chinese:
        return rng.choice(_sentences())
    when, who, does, what, then = map(rng.choice, _HAN_PARTS)
    name = rng.choice("王李张刘陈杨赵黄周吴") + "".join(rng.sample("敏立群桂芳骏勇明远志华秀英建国", 2))
    return f"{when}，{rng.choice((who, name + '代表' + who))}{does}{what}，{then.format(rng.randint(2, 400))}。"


def _summary(rng: Random, chinese: bool, exact: int) -> Task:
    words, join = exact or rng.randint(100, 600), "" if chinese else " "

    def units(text: str) -> list[str]:
        return list(text) if chinese else text.split()

    def joined(parts: Sequence[str], length: int) -> str:
        """Join sentences, and add others, up to a length in words (of 1.7 characters in Chinese)."""
        wanted = int(1.7 * length) if chinese else length
        found = units(join.join(parts))
        while len(found) < wanted:
            found += units(_sentence(rng, chinese))
        return join.join(found[:wanted])

    def reworded(text: str) -> str:
        others = units(_sentence(rng, chinese))
        changed = 0.03 if chinese else 0.15
        return join.join(rng.choice(others) if rng.random() < changed else unit for unit in units(text))

    reference = [_sentence(rng, chinese) for _ in range(words // 20)]

    def write(kind: str) -> tuple[str, str]:
        parts = [reworded(part) if rng.random() < KEPT[kind] else _sentence(rng, chinese) for part in reference]
        text = joined(parts, exact or min(600, max(100, int(words * rng.uniform(0.7, 1.3)))))
        return (text if exact or rng.random() < 0.8 else re.sub(r"(?<=[.。]) ?", "\n- ", text)), text

    texts = [joined(reference, words)]
    if not exact and rng.random() < 0.25:
        texts.append(joined([reworded(part) for part in reference], words))
    return texts, tuple(texts), write


_TASKS: dict[str, Callable[[Random, str], Task]] = {
    **dict.fromkeys(("exact_match", "accuracy", "math_verify"), _short),
    **dict.fromkeys(("f1", "sub_em", "ndcg", "pairwise_accuracy"), _list),
    "iou": _table,
}
