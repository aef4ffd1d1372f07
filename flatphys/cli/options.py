"""The model options that every command shares, in one table, and how arguments are read.

A new field of a data class, learner or network is one line in `FIELDS`, a new class one entry in `DATA`,
`LEARNERS` or `NETWORKS`.  Ranges are the library's to check: here a text only becomes a number.
"""

import dataclasses
import inspect
import math
from dataclasses import dataclass
from typing import Annotated

import typer

from flatphys import validate
from flatphys.errors import InvalidInput
from flatphys.model import (
    ACTIVATIONS,
    ENERGIES,
    ERM,
    LOSSES,
    WEIGHTS,
    Bayes,
    GaussianMixture,
    Gibbs,
    Hebb,
    MaxMargin,
    Model,
    Perceptron,
    RandomLabels,
    Teacher,
    TreeCommittee,
)
from flatphys.model_losses import Smoothed, smoothed

DATA = {"random-labels": RandomLabels, "teacher": Teacher, "gaussian-mixture": GaussianMixture}
LEARNERS = {"gibbs": Gibbs, "erm": ERM, "max-margin": MaxMargin, "bayes": Bayes, "hebb": Hebb}
NETWORKS = {"perceptron": Perceptron, "tree-committee": TreeCommittee}
GRID = "START:STOP:COUNT, log:START:STOP:COUNT or a comma-separated list"


def read_number(name: str, text: str) -> float:
    """The number that `text` spells ("inf" included); its range is for the library to judge."""
    try:
        return float(text)
    except ValueError:
        raise InvalidInput(f"{name} must be a number, got {text!r}") from None


def _read_text(name: str, text: str) -> str:
    return text


def _either(names) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


@dataclass(frozen=True)
class Field:
    """One field of a data class or learner as an option: `--name METAVAR`, a flag where `read` is None."""

    name: str
    metavar: str
    help: str
    read: object = read_number


FIELDS = (
    Field("flip", "P", "teacher: probability of an inverted training label, 0 <= P < 0.5  [default: 0]"),
    Field("weights", "KIND", f"gibbs, bayes: {_either(WEIGHTS)}  [default: binary for gibbs, spherical for bayes]", _read_text),
    Field("margin", "KAPPA", "gibbs: stability that counts as correct, any sign  [default: 0]"),
    Field("beta", "BETA", "gibbs: inverse temperature > 0, or inf for hard constraints  [default: inf]"),
    Field("energy", "ENERGY", f"gibbs: {_either(ENERGIES)}  [default: errors]", _read_text),
    Field("network", "NETWORK", "gibbs: perceptron or tree-committee (random labels)  [default: perceptron]", _read_text),
    Field("activation", "PHI", f"tree-committee: {_either(ACTIVATIONS)}  [default: sign]", _read_text),
    Field("variance", "D", "gaussian-mixture: variance of each cloud  [default: 1]"),
    Field("positive", "RHO", "gaussian-mixture: probability of the label +1  [default: 0.5]"),
    Field("loss", "LOSS", f"erm: {_either(LOSSES)}; squares carry 1/2 (LinearSVC: C = 1/(2 l2))  [default: logistic]", _read_text),
    Field("smoothing", "SIGMA", "erm: average the loss over Gaussian noise on the weights  [default: 0]"),
    Field("l2", "L2", "erm: regularisation (l2/2)|w|^2 of the sum over patterns  [default: 0.1]"),
    Field("bias", "", "erm, max-margin, hebb, spherical gibbs: a bias too (gaussian-mixture)  [default: no-bias]", None),
)


@dataclass(frozen=True)
class ModelOptions:
    """What the user typed about the model: a name of data, a name of a learner, and texts by field."""

    data: str | None
    learner: str | None
    fields: dict

    @property
    def given(self) -> bool:
        """Whether the user said anything about the model."""
        return any(value is not None for value in (self.data, self.learner, *self.fields.values()))

    def model(self, data: str = "random-labels", learner: str = "gibbs") -> Model:
        """The model asked for; the arguments are the defaults of the question at hand."""
        data = self.data or data
        if data == "gaussian-mixture" and learner == "gibbs" and self.fields["energy"] is None:
            learner = "erm"
        elif self.fields["energy"] is not None:
            learner = "gibbs"  # the only one that has an energy
        elif data == "random-labels" and learner == "erm":
            learner = "gibbs"  # the only one there
        learner = self.learner or learner
        kinds = _choose("data", data, DATA), _choose("learner", learner, LEARNERS)
        given = {field: self.fields[field.name] for field in FIELDS if self.fields[field.name] is not None}
        network = kinds[1] is Gibbs and _choose("network", self.fields["network"] or "perceptron", NETWORKS)
        for field in given:
            if field.name == "activation":
                if network is not TreeCommittee:
                    raise InvalidInput(f"--activation {self.fields['activation']} needs --network tree-committee")
                continue
            if field.name == "smoothing" and kinds[1] is ERM:
                continue
            if not any(field.name in _names(kind) for kind in kinds):
                owners = [f"--data {name}" for name, kind in DATA.items() if field.name in _names(kind)]
                owners += [f"--learner {name}" for name, kind in LEARNERS.items() if field.name in (*_names(kind), *_MORE.get(kind, ()))]
                raise InvalidInput(
                    f"--{field.name} does not apply to {data} data with the learner {learner}; it belongs to {', '.join(owners)}"
                )
        values = {field.name: field.read(field.name, value) if field.read else value for field, value in given.items()}
        if network:
            values["network"] = network(**({"activation": values["activation"]} if "activation" in values else {}))
        if "smoothing" in values:
            width = validate.number("smoothing", values["smoothing"], 0.0, closed="[")
            values["loss"] = smoothed(values.get("loss", ERM.loss), width)
        return Model(*(kind(**{name: value for name, value in values.items() if name in _names(kind)}) for kind in kinds))


_MORE = {ERM: ("smoothing",)}  # options of a learner that are no fields of it


def _names(kind) -> set[str]:
    """The fields of a data class or learner."""
    return {field.name for field in dataclasses.fields(kind)}


def _choose(option: str, name: str, table: dict):
    return table[validate.choice(f"--{option}", name, tuple(table))]


def takes_model(command):
    """Give `command` the model options of the table; it receives them as its argument `chosen`, a `ModelOptions`."""
    learners = f"{' or '.join(LEARNERS)}  [default: gibbs; erm on gaussian-mixture without --energy]"
    options = [
        _option("data", str, typer.Option("--data", metavar="DATA", help=f"{' or '.join(DATA)}  [default: random-labels]")),
        _option("learner", str, typer.Option("--learner", metavar="LEARNER", help=learners)),
    ]
    for field in FIELDS:
        if field.read is None:
            options.append(_option(field.name, bool, typer.Option(f"--{field.name}/--no-{field.name}", help=field.help)))
        else:
            options.append(_option(field.name, str, typer.Option(f"--{field.name}", metavar=field.metavar, help=field.help)))
    return _extended(
        command, "chosen", options, lambda given: ModelOptions(given["data"], given["learner"], {f.name: given[f.name] for f in FIELDS})
    )


def takes_options(*questions, without=()):
    """Give a command the options of some questions; it receives what the user typed as its argument `given`, texts by option."""
    merged = {}
    for question in questions:
        for option in question.options:
            if option.name not in without:
                merged.setdefault(option.spelled, []).append((question, option))

    def parameter(spelled, uses):
        option, texts = uses[0][1], {}
        for question, one in uses:
            texts.setdefault((one.metavar, one.help or GRID), []).append(question.name.replace("_", "-"))
        names = "; ".join(f"{', '.join(owners)}: {text}" if len(questions) > 1 else text for (_, text), owners in texts.items())
        if option.kind == "switch":
            return _option(_identifier(spelled), bool, typer.Option(spelled, help=names))
        metavar = "|".join(dict.fromkeys(part for shape, _ in texts for part in shape.split("|")))
        return _option(_identifier(spelled), str, typer.Option(spelled, metavar=metavar, help=names))

    options = [parameter(spelled, uses) for spelled, uses in merged.items()]
    texts = {spelled: _identifier(spelled) for spelled in merged}
    return lambda command: _extended(
        command, "given", options, lambda given: {spelled: given[name] for spelled, name in texts.items() if given[name] is not None}
    )


def read_options(question, given: dict) -> dict:
    """The question's options among what the user typed; one that belongs to another question is refused."""
    mine = {option.spelled: option for option in question.options}
    name = question.name.replace("_", "-")
    for spelled in given:
        if spelled not in mine:
            from flatphys.questions.catalogue import QUESTIONS

            others = [q for q in QUESTIONS.values() if q.command == question.command]
            owners = [q.name.replace("_", "-") for q in others if any(option.spelled == spelled for option in q.options)]
            raise InvalidInput(f"{spelled} applies to {', '.join(owners)}, not to {name}")
    vectors = [option.spelled for option in question.options if option.vector]
    chosen = [spelled for spelled in vectors if spelled in given]
    if len(chosen) > 1 or (question.needs_vector and not chosen):
        if len(vectors) == 1:
            raise InvalidInput(f"{name} needs {vectors[0]}: {GRID}")
        raise InvalidInput(f"give either {' or '.join(vectors)}, got {'both' if chosen else 'neither'}")
    return {mine[spelled].name: _value(mine[spelled], text) for spelled, text in given.items()}


def _value(option, text):
    """What the text of an option stands for; the library checks it again, under its own name for it."""
    if option.vector:
        return read_grid(option.spelled, text)
    value = read_number(option.spelled, text) if option.kind == "number" else text
    return option.check(option.spelled, value) if option.flag else value


def _identifier(spelled: str) -> str:
    return spelled[2:].replace("-", "_")


def _option(name, kind, option):
    annotation = Annotated[kind | None, option]
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation)


def _extended(command, argument: str, options: list, collect):
    """`command` with further options in place of one argument, which is collected from them."""
    signature = inspect.signature(command)
    own = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in signature.parameters.values() if p.name != argument]

    def run(**given):
        extra = {option.name: given.pop(option.name) for option in options}
        return command(**{argument: collect(extra)}, **given)

    run.__name__, run.__doc__ = command.__name__, command.__doc__
    run.__signature__ = inspect.Signature([*own, *options])
    run.__annotations__ = {p.name: p.annotation for p in run.__signature__.parameters.values()}
    return run


def read_grid(name: str, text: str) -> list[float]:
    """START:STOP:COUNT (both ends included), log:START:STOP:COUNT (equal ratios), or a comma-separated list."""
    if ":" not in text:
        return [read_number(name, part) for part in text.split(",")]
    parts = text.split(":")
    logarithmic = parts[0] == "log"
    if logarithmic:
        parts = parts[1:]
    if len(parts) != 3:
        raise InvalidInput(f"{name} must be START:STOP:COUNT, log:START:STOP:COUNT or a comma-separated list, got {text!r}")
    start, stop = (read_number(name, part) for part in parts[:2])
    if not (math.isfinite(start) and math.isfinite(stop)):
        raise InvalidInput(f"{name} must have finite ends, got {text!r}")
    try:
        count = int(parts[2])
    except ValueError:
        count = 0
    if count < 1 or count > 1_000_000:
        raise InvalidInput(f"{name} must have a COUNT between 1 and 1000000, got {parts[2]!r}")
    if logarithmic and not (start > 0.0 and stop > 0.0):
        raise InvalidInput(f"{name} must have positive ends on a logarithmic grid, got {text!r}")
    import numpy as np

    values = (np.geomspace if logarithmic else np.linspace)(start, stop, count).tolist()
    inner = [float(f"{value:.15g}") for value in values[1:-1]]  # 0.6, where start + 2 step is 0.6000000000000001
    return [start, *inner, stop][: len(values)]


def describe(model: Model) -> dict:
    """The model as plain values, by the names of the command line."""
    out = {}
    for part, table in (("data", DATA), ("learner", LEARNERS)):
        value = getattr(model, part)
        kind = next((name for name, cls in table.items() if cls is type(value)), type(value).__name__)
        out[part] = {"kind": kind, **dataclasses.asdict(value)}
    if isinstance(getattr(model.learner, "loss", None), Smoothed):
        out["learner"] |= {"loss": model.learner.loss.loss, "smoothing": model.learner.loss.sigma}
    if "network" in out["learner"]:
        network = model.learner.network
        out["learner"]["network"] = {
            "kind": next(name for name, cls in NETWORKS.items() if cls is type(network)),
            **out["learner"]["network"],
        }
    return out
