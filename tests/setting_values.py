"""A value for every parameter of a setting, made from its entry in the catalogue."""

from __future__ import annotations

from neural_dsl.catalogue.spec import REQUIRED, Parameter

VALUES = {
    "count": "3",
    "natural": "3",
    "int": "7",
    "rate": "0.25",
    "fraction": "0.25",
    "positive": "0.25",
    "non_negative": "0.0625",
    "float": "0.25",
    "stopping": "EarlyStopping(patience=4)",
    "device": '"cuda:1"',
    "learning_rate": "0.125",
    "numbers": "(1, 2)",
}


def value_of(parameter: Parameter) -> str:
    """A value of the parameter that is not its default."""
    if parameter.kind == "bool":
        return "false" if parameter.default is True else "true"
    if parameter.kind == "choice":
        others = [c for c in parameter.choices.values() if c != parameter.default]
        return f'"{others[-1]}"'
    if parameter.name == "monitor":
        return '"exact_match"' if parameter.default == "val_loss" else '"loss"'
    return VALUES[parameter.kind]


def required(parameters: tuple[Parameter, ...], besides: str = "") -> list[str]:
    """`name=value` for the parameters that must be given."""
    found = [p for p in parameters if p.default is REQUIRED and p.name != besides]
    return [
        f"{p.name}={'(0.1, 0.2, 0.3)' if p.name == 'values' else value_of(p)}"
        for p in found
    ]
