"""The published rewards to the letter, holes included: for numbers that compare with published tables.

Each gets the response after its thinking, as a whole. Facts about the published code: GoLongRL (arXiv 2605.19577) and
LongBench Pro (arXiv 2601.02872). Where it fails by accident (recursion in ROUGE-L, a time limit in a thread), these
give the value of its formula.
"""
