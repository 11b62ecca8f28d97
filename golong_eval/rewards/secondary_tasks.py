"""Which metric LongBench Pro scores each of its 25 secondary tasks with."""

from __future__ import annotations

from types import MappingProxyType

__all__ = ["SECONDARY_TASKS"]

_BY_METRIC = {
    "ndcg": ("T1.1 Global Cohesive Retrieval", "T1.2 Key-Snippet Retrieval"),
    "pairwise_accuracy": (
        "T2.1 Global Timeline Reconstruction",
        "T2.2 Local Causal Chain Sorting",
        "T6.3 Global Frequency Analysis",
    ),
    "accuracy": (
        "T3.1 Multi-Doc Integration QA",
        "T3.2 Single-Hop Fact QA",
        "T11.1 Long-Range Entity & Commitment Tracking",
        "T11.2 Short-Range Reference Resolution & State Query",
    ),
    "rouge_l": ("T4.1 Global-Coverage Constrained Summary", "T4.2 Query-Focused Summary"),
    "f1": (
        "T5.1 Full-Sentence Citation Alignment",
        "T5.2 Key-Statement Citation Alignment",
        "T6.2 Targeted Subset Cluster Identification",
        "T7.1 Global Conflict & Inconsistency Localization",
        "T7.2 Targeted Rule or Condition Violation Detection",
        "T7.3 Comprehensive Error & Anomaly Sweep",
        "T9.1 Dependency-Aware Multi-Version Impact Analysis",
        "T9.2 Localized Interface Change Detection",
    ),
    "sub_em": (
        "T6.1 Large-Scale Document Clustering",
        "T8.1 Structured Multi-Source Consistency Verification",
        "T8.2 Single-Source Targeted Aggregation",
        "T8.3 Long-Context Procedural State Tracking",
        "T10.1 Large-Scale In-Context Rule Induction",
        "T10.2 Targeted Example-Based Rule Induction",
    ),
}

SECONDARY_TASKS = MappingProxyType({task: metric for metric, tasks in _BY_METRIC.items() for task in tasks})
"""LongBench Pro's secondary tasks, named as in its field ``secondary_task``, each with the name of its metric.

Its T numbers are its own, not golong-eval's. ``rouge_l`` is the half of its ``Summary`` that GoLongRL trains on; the
other half is `Semantic` with weight 0.5. Source: LongBench Pro (arXiv 2601.02872); GoLongRL (arXiv 2605.19577).
"""
