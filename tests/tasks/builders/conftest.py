"""A small byte-level tokenizer, the nine specs, and folders of documents of every kind."""

from __future__ import annotations

import gzip
import html
from pathlib import Path
from pydoc_data import topics

import pytest

from golong_eval.tasks.builders import Tokenizer
from golong_eval.tasks.catalogue import load_tasks
from golong_eval.tasks.spec import TaskSpec


@pytest.fixture(scope="session")
def backend():
    tokenizers = pytest.importorskip("tokenizers")
    backend = tokenizers.Tokenizer(tokenizers.models.BPE())
    backend.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = tokenizers.trainers.BpeTrainer(
        vocab_size=4096, initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(), show_progress=False
    )
    texts = [text for _, text in sorted(topics.topics.items())]
    backend.train_from_iterator([*texts, *(text for _, text in _chinese())] * 2, trainer)
    return backend


@pytest.fixture(scope="session")
def tokenizer(backend) -> Tokenizer:
    return Tokenizer("small", backend)


@pytest.fixture(scope="session")
def specs() -> dict[str, TaskSpec]:
    return load_tasks()


@pytest.fixture(scope="session")
def english(tmp_path_factory) -> Path:
    """Markdown, HTML, PDF, gzip, UTF-16 and a file without a suffix; two files with the same text."""
    folder = tmp_path_factory.mktemp("english")
    names = sorted(topics.topics, key=lambda name: -len(topics.topics[name]))[5:45]
    for number, name in enumerate(names):
        text = topics.topics[name]
        paragraphs = text.split("\n\n")
        match number % 6:
            case 0:
                (folder / f"{name}.md").write_text(f"# About {name}\n\n{text}")
            case 1:
                body = "".join(f"<p>{html.escape(paragraph)}</p>" for paragraph in paragraphs)
                page = f"<html><head><title>{name}</title><script>var hidden</script></head><body>{body}</body></html>"
                (folder / f"{name}.html").write_text(page)
            case 2:
                (folder / f"{name}.txt.gz").write_bytes(gzip.compress(text.encode()))
            case 3:
                (folder / f"{name}.pdf").write_bytes(pdf(text[:6000].encode("ascii", "replace").decode().split("\n")))
            case 4:
                (folder / f"{name}.txt").write_text(text, encoding="utf-16")
            case 5:
                (folder / name).mkdir()
                (folder / name / "README").write_text(text, encoding="utf-8-sig")
                (folder / name / "copy.txt").write_text(text)
    return folder


@pytest.fixture(scope="session")
def chinese(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("chinese")
    for name, text in _chinese():
        (folder / f"{name}.md").write_text(text)
    return folder


_SURNAMES = "赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨朱秦许何"
_PLACE_NAMES = """
长安 洛阳 扬州 成都 泉州 大同 敦煌 桂林 绍兴 徽州 开封 苏州 襄阳 丽江 平遥 景德 曲阜 凤翔 安顺 汀州
"""
_GOODS_NAMES = """
丝绸 茶叶 瓷器 铁器 药材 棉布 纸张 木材 食盐 马匹 漆器 玉石 铜镜 竹编 蜡染 刺绣 香料 白糖 皮革 陶罐
"""
_SIGHT_NAMES = """
钟楼 石桥 书院 磨坊 渡口 驿站 酒肆 戏台 祠堂 水井 寺庙 码头 当铺 染坊 茶馆 药铺 学堂 粮仓 花园 武馆
"""
_PLACES, _GOODS, _SIGHTS = _PLACE_NAMES.split(), _GOODS_NAMES.split(), _SIGHT_NAMES.split()


def _chinese() -> list[tuple[str, str]]:
    """Made up, and said so: there is no Chinese text in the standard library."""
    documents = []
    for number, place in enumerate(_PLACES):
        goods = [_GOODS[(number * 3 + step) % len(_GOODS)] for step in range(5)]
        people = [f"{_SURNAMES[(number + step) % 20]}{'文武仁义礼'[step]}" for step in range(5)]
        paragraphs = [
            f"# {place}城的市集",
            f"{place}以{goods[0]}闻名，赶集的{people[0]}与{people[1]}常住东门，{goods[1]}和{goods[2]}运往"
            f"{_PLACES[(number + 3) % 20]}，{goods[3]}则卖给{people[2]}，{people[3]}记下账目。",
            f"{place}城里最有名的{_SIGHTS[number]}就在河边，{people[4]}每天都要去那里坐上一会儿。",
        ]
        for step, (good, person) in enumerate(zip(goods, people, strict=True)):
            paragraphs.append(f"## {person}的店铺")
            paragraphs.append(
                f"{person}在{place}城的东门开了一家卖{good}的店铺，店里共有 {17 + 3 * number + step} 名伙计。"
                f"每逢集市，{good}的价格总要上涨，{person}就从{_PLACES[(number + step + 7) % 20]}调来货物。"
                + "".join(f"后来{good}又运往{_PLACES[(number + step + more) % 20]}城。" for more in range(step + 1))
            )
        documents.append((place, "\n\n".join(paragraphs) + "\n"))
    return documents


def pdf(lines: list[str]) -> bytes:
    """Return a PDF with the lines as text, a page for every fifty."""
    pages = [lines[at : at + 50] for at in range(0, len(lines), 50)]
    objects = ["<< /Type /Catalog /Pages 2 0 R >>", "", "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>"]
    kids = []
    for page in pages:
        shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in page)
        stream = f"BT /F1 10 Tf 12 TL 40 780 Td\n{shown}ET"
        objects.append(f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream")
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {len(objects)} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        kids.append(f"{len(objects)} 0 R")
    objects[1] = f"<< /Type /Pages /Kids [{' '.join(kids)}] /Count {len(kids)} >>"
    data = "%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(data))
        data += f"{number} 0 obj\n{body}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    start = len(data)
    data += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    data += f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    return data.encode("latin-1")


def _escaped(line: str) -> str:
    return line.replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)")
