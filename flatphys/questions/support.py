"""supported(): which question is answered for which model, made from the registry."""

import contextlib
import itertools
from collections.abc import Mapping
from typing import get_args

from flatphys import model as models, validate
from flatphys.display import Table, html_table, text_table
from flatphys.errors import InvalidInput
from flatphys.questions.catalogue import QUESTIONS

YES, NO = "yes", "-"


def _named(name: str) -> str:
    """The question's name, spelled with hyphens or underscores."""
    return validate.choice("question", name.replace("-", "_") if isinstance(name, str) else name, tuple(QUESTIONS))


def refusal(name: str, model) -> str | None:
    """The error that the question raises for this model; None where it is answered."""
    question = QUESTIONS[name]
    for pattern, error in question.otherwise:
        if pattern.fits(model):
            return error
    return None if any(pattern.fits(model) for pattern in question.answers) else "InvalidInput"


def condition(name: str, data: type, learner: type) -> str:
    """For which models of this pair: "yes", "-" for none, or what their fields must be; errors of a kind of its own are named."""
    question, pair = QUESTIONS[name], (data, learner)
    found = [pattern.conditions for pattern in question.answers if pattern.fits_pair(*pair)]
    text = NO if not found else YES if "" in found else "; or ".join(dict.fromkeys(found))
    return text + "".join(
        f" ({pattern.conditions}: {error})" for pattern, error in question.otherwise if found and pattern.fits_pair(*pair)
    )


def _pairs():
    """Every (data, learner) of which a model can be made."""
    for pair in itertools.product(get_args(models.Data), get_args(models.Learner)):
        with contextlib.suppress(InvalidInput):
            models.Model(*(kind() for kind in pair))
            yield pair


class ModelSupport(Table, Mapping):
    """The questions that are answered for one model: name -> True or False.

    >>> import flatphys as fp
    >>> answers = fp.supported(fp.Model(fp.Teacher(), fp.ERM()))
    >>> answers["optimal_l2"], answers["capacity"], answers.error("capacity")
    (True, False, 'InvalidInput')
    """

    def __init__(self, model):
        self.model = models.check_model(model)

    def __getitem__(self, name):
        return self.error(name) is None

    def __iter__(self):
        return iter(QUESTIONS)

    def __len__(self):
        return len(QUESTIONS)

    def error(self, name: str) -> str | None:
        """The name of the error that the question raises; None where it is answered."""
        return refusal(_named(name), self.model)

    @property
    def answered(self) -> list[str]:
        """Names of the questions that are answered."""
        return [name for name in self if self[name]]

    @property
    def errors(self) -> dict:
        """The others, with the error that each raises."""
        return {name: self.error(name) for name in self if not self[name]}

    def _rows(self):
        return [(name, f"{YES if self[name] else self.error(name):<14} {QUESTIONS[name].summary}") for name in self]

    def _title(self):
        return f"Questions about {self.model!r}"


class Support(Mapping):
    """The support matrix: question -> {(data, learner): "yes", "-" or what the fields must be}.

    >>> import flatphys as fp
    >>> fp.supported()["at-line"][fp.GaussianMixture, fp.ERM]
    '-'
    """

    def __init__(self):
        self.pairs = list(_pairs())

    def __getitem__(self, name):
        name = _named(name)
        return {pair: condition(name, *pair) for pair in self.pairs}

    def __iter__(self):
        return iter(QUESTIONS)

    def __len__(self):
        return len(QUESTIONS)

    def _cells(self) -> list[list[str]]:
        """A header and one line a question."""
        header = ["", *(f"{data.__name__}, {learner.__name__}" for data, learner in self.pairs)]
        return [header, *([name, *self[name].values()] for name in self)]

    def _blocks(self):
        """(data, learner) and their questions, for a terminal that has no room for the matrix."""
        for pair in self.pairs:
            yield " on ".join(kind.__name__ for kind in reversed(pair)), [(name, self[name][pair]) for name in self]

    def __repr__(self):
        lines = ["Questions that are answered, by data and learner (elsewhere they raise InvalidInput)"]
        for title, rows in self._blocks():
            split = [(name, text.replace("; or ", "\nor ").replace(" (", "\n(").splitlines()) for name, text in rows if text != NO]
            lines += ["", text_table(title, [(name if i == 0 else "", part) for name, parts in split for i, part in enumerate(parts)])]
        return "\n".join(lines)

    def _repr_html_(self):
        return html_table("Questions that are answered (elsewhere they raise InvalidInput)", self._cells())

    def markdown(self) -> str:
        """The page docs/supported.md."""
        lines = [_HEAD]
        header, *body = self._cells()
        lines += ["| question | " + " | ".join(header[1:]) + " |", "|---" * len(header) + "|"]
        lines += ["| " + " | ".join([f"`{row[0]}`", *row[1:]]) + " |" for row in body]
        lines += ["", "## The questions", ""]
        lines += [f"- `{name}`: {question.summary}{_options(question)}" for name, question in QUESTIONS.items()]
        return "\n".join(lines) + "\n"


_HEAD = """# Which question is answered for which model

Made from the registry of questions (`fp.supported()` prints it, `fp.supported(model)` answers for one model); do not edit it by hand.
"yes": for every model of these data and this learner; "-": for none; else what the fields of the model must be.  Where a
question is not answered it raises `InvalidInput` before any work.
"""


def _options(question) -> str:
    asked = {"state": "asked of a state", "load": "asked at a load", "model": "asked without a load"}[question.subject]
    names = ", ".join(f"`{option.name}`" for option in question.options)
    return f" ({asked}" + (f"; options {names})" if names else ")")


def supported(model: models.Model | None = None) -> "Support | ModelSupport":
    """Which question is answered for which model.

    Parameters
    ----------
    model : Model, optional

    Returns
    -------
    Support, or ModelSupport for one model
        Both print as tables; indexed by the name of a question: `supported()["capacity"]` is a dict over (data, learner),
        `supported(model)["capacity"]` is True or False, and `supported(model).error("capacity")` says which error is raised.
    """
    return Support() if model is None else ModelSupport(model)


__all__ = ["ModelSupport", "Support", "supported"]
