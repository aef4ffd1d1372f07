"""One registry of questions, from which sweeps, the command line, `fp.supported()` and docs/supported.md are made.

question   what a question is, what it needs, how an answer becomes named numbers
domain     for which models it has an answer
catalogue  the questions: a new one is one entry there
support    which question is answered for which model
"""
