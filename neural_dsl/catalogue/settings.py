"""Entries for what a file names outside `layers:`: optimizers, losses, schedules, metrics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


class Table:
    """All settings of one sort. `what` names the sort in messages; `code` is the
    diagnostic for an unknown one; `planned` are known, but not built yet."""

    def __init__(
        self,
        what: str,
        code: str,
        example: str,
        specs: tuple[SettingSpec, ...],
        planned: str = "",
    ):
        self.what, self.code, self.example, self.specs = what, code, example, specs
        self.planned = planned.split()
        self._by_spelling: dict[str, SettingSpec] = {}
        for spec in specs:
            for spelling in (spec.name, *spec.aliases):
                self._by_spelling[plain(spelling)] = spec

    def find(self, spelling: str) -> SettingSpec | None:
        """The entry for any spelling; `MSELoss` finds `mse`."""
        key = plain(spelling)
        found = self._by_spelling.get(key)
        return found or self._by_spelling.get(key.removesuffix(self.what))

    def is_planned(self, spelling: str) -> bool:
        """Whether this is known, but not built yet."""
        return plain(spelling) in map(plain, self.planned)

    def names(self) -> list[str]:
        """Canonical names, then aliases, for suggestions."""
        aliases = [alias for spec in self.specs for alias in spec.aliases]
        return [spec.name for spec in self.specs] + aliases
