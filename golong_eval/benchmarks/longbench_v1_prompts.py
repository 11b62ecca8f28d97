"""What LongBench v1 asks in each of its 21 data sets: the published parts and forms of the answer, in our own words."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["PROMPTS"]

_BRIEF = "Be as brief as you can, a phrase if one will do, and explain nothing."
_ALONE = "Give the answer alone, with no other words."
_ALONE_ZH = "只给出答案，不要输出其他内容。"
_ARTICLE = (
    _BRIEF + ' Where the article does not hold the answer, write "unanswerable". A yes/no question is answered by '
    '"yes", "no" or "unanswerable".'
)
_PASSAGES = (
    f"Answer the question from the passages below. {_ALONE}\n\nPassages:\n",
    f"\n\nAnswer the question from these passages. {_ALONE}\n\nQuestion: {{input}}\nAnswer:",
)
_CODE = ("Complete the code below.\n", "{input}Next line of code:\n")

PROMPTS: Mapping[str, tuple[str, str]] = {
    "narrativeqa": (
        f"Below are a story, which is a novel or the script of a film, and a question about it. {_BRIEF}\n\nStory: ",
        f"\n\nNow answer the question from the story. {_BRIEF}\n\nQuestion: {{input}}\n\nAnswer:",
    ),
    "qasper": (
        f"Below are a scientific article and a question about it. {_ARTICLE}\n\nArticle: ",
        f"\n\nNow answer the question from the article. {_ARTICLE}\n\nQuestion: {{input}}\n\nAnswer:",
    ),
    "multifieldqa_en": (
        "Read the text below and answer briefly.\n\n",
        f"\n\nNow answer this question from the text. {_ALONE}\n\nQuestion: {{input}}\nAnswer:",
    ),
    "multifieldqa_zh": (
        "阅读下面的文本，用中文简短地回答。\n\n",
        f"\n\n根据上面的文本回答问题。{_ALONE_ZH}\n\n问题：{{input}}\n回答：",
    ),
    "hotpotqa": _PASSAGES,
    "2wikimqa": _PASSAGES,
    "musique": _PASSAGES,
    "dureader": ("根据下面的文章回答问题。\n\n文章：", "\n\n根据上面的文章回答问题。\n\n问题：{input}\n回答："),
    "gov_report": (
        "Below is a report of a government agency. Write a summary of it, one page long.\n\nReport:\n",
        "\n\nNow write the summary, one page long.\n\nSummary:",
    ),
    "qmsum": (
        "Below are the transcript of a meeting and a query about it, a question or an instruction. Answer the query in "
        "one sentence or a few.\n\nTranscript:\n",
        "\n\nNow answer the query from the transcript, in one sentence or a few.\n\nQuery: {input}\nAnswer:",
    ),
    "multi_news": (
        "Below are several pieces of news. Write a summary of all of them, one page long.\n\nNews:\n",
        "\n\nNow write the summary of all the news, one page long.\n\nSummary:",
    ),
    "vcsum": ("阅读下面的会议记录，然后总结会议的内容。\n会议记录：\n", "\n\n会议总结："),
    "trec": (
        "Say of what type the last question is. Examples of questions and their types come first.\n\n",
        "\n{input}",
    ),
    "triviaqa": (
        f"Answer the last question from its passage. {_ALONE} Some examples come first.\n\n",
        "\n\n{input}",
    ),
    "samsum": ("Summarize the last dialogue in a few short sentences. Some examples come first.\n\n", "\n\n{input}"),
    "lsht": ("判断最后一条新闻的类别。先给出一些例子。\n\n", "\n{input}"),
    "passage_count": (
        "Some of the paragraphs below, which are from Wikipedia, stand there more than once. Read them with care: how "
        "many different ones are there?\n\n",
        "\n\nGive the number of different paragraphs, and nothing else: 1, 2, 3 and so on.\n\nThe final answer is: ",
    ),
    "passage_retrieval_en": (
        "Below are 30 paragraphs from Wikipedia, and then an abstract of one of them. Find out of which.\n\n",
        "\n\nThis is the abstract.\n\n{input}\n\nGive the number of its paragraph in the form "
        '"Paragraph 1", "Paragraph 2".\n\nThe answer is: ',
    ),
    "passage_retrieval_zh": (
        "下面有若干段落，最后是其中一段的摘要。请找出是哪一段。\n\n",
        "\n\n这是摘要。\n\n{input}\n\n请给出所属段落的编号，格式为“段落1”、“段落2”。\n\n答案是：",
    ),
    "lcc": _CODE,
    "repobench-p": _CODE,
}
"""What stands before the text and after it, by data set; ``{input}`` is the row's question."""
