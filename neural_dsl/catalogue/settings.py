"""Entries for what a file names outside `layers:`: optimizers, losses, schedules, metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from neural_dsl.catalogue.spec import Parameter, Params


def plain(spelling: str) -> str:
    """A spelling without case, underscores and hyphens: `Mean_Squared-Error`."""
    return spelling.strip().lower().replace("_", "").replace("-", "").replace(" ", "")


@dataclass(frozen=True)
class SettingSpec:
    """One named thing with parameters. `check` raises LayerProblem for parameters that
    cannot go together."""

    name: str
    doc: str
    parameters: tuple[Parameter, ...] = ()
    aliases: tuple[str, ...] = ()
    check: Callable[[Params], None] = lambda params: None


def setting(
    names: str,
    doc: str,
    *parameters: Parameter,
    check: Callable[[Params], None] = SettingSpec.check,
) -> SettingSpec:
    """A `SettingSpec`, written short: `names` are its own and its aliases."""
    name, *aliases = names.split()
    return SettingSpec(name, doc, parameters, tuple(aliases), check)


@dataclass(frozen=True)
class Table:
    """All settings of one sort. `what` names the sort in messages; `code` is the
    diagnostic for an unknown one; `planned` are known, but not built yet."""

    what: str
    code: str
    specs: tuple[SettingSpec, ...]
    planned: tuple[str, ...] = ()
    example: str = ""
    _by_spelling: dict[str, SettingSpec] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for spec in self.specs:
            for spelling in (spec.name, *spec.aliases):
                self._by_spelling[plain(spelling)] = spec

    def find(self, spelling: str) -> SettingSpec | None:
        """The entry for any spelling; `MSELoss` finds `mse`."""
        key = plain(spelling)
        return self._by_spelling.get(key) or self._by_spelling.get(
            key.removesuffix(self.what)
        )

    def is_planned(self, spelling: str) -> bool:
        """Whether this is known, but not built yet."""
        return plain(spelling) in {plain(name) for name in self.planned}

    def names(self) -> Iterable[str]:
        """Canonical names, then aliases, for suggestions."""
        yield from (spec.name for spec in self.specs)
        for spec in self.specs:
            yield from spec.aliases
