"""Python names for what a `.neural` file names: never a keyword, never one that is taken."""

from __future__ import annotations

import builtins
import keyword
import re
import unicodedata
from collections.abc import Collection

_BUILTINS = frozenset(dir(builtins))


def pascal_case(name: str) -> str:
    """`my_block` -> `MyBlock`; `Block` stays."""
    parts = [part for part in name.split("_") if part]
    return "".join(part[0].upper() + part[1:] for part in parts) or "Block"


def snake_case(name: str) -> str:
    """`MyBlock` -> `my_block`; `block` stays."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name)
    return spaced.lower().strip("_") or "block"


def plural(name: str) -> str:
    """`transformer_encoder` -> `transformer_encoders`; `dense` -> `dense_layers`.

    A long name is cut, so that `for layer in self.…:` fits in a line.
    """
    name = name[:46].rstrip("_")
    if name.endswith(("encoder", "decoder", "block", "attention", "embedding")):
        return name + "s"
    return name + "_layers"


def numbered(names: list[str]) -> tuple[str, str]:
    """The names as code: `"dense"`; of a loop `f"dense_{i}"`, with `i in range(2, 5)`."""
    if len(names) == 1:
        return f'"{names[0]}"', ""
    base, _, number = names[0].rpartition("_")
    start = f"{number}, " if int(number) else ""
    return f'f"{base}_{{i}}"', f"i in range({start}{int(number) + len(names)})"


def singular(attr: str) -> str:
    """The loop variable: `transformer_encoders` -> `encoder`, `dense_layers` -> `layer`."""
    word = re.sub(r"_\d+$", "", attr).rstrip("_").rsplit("_", 1)[-1]
    word = word[:-1] if word.endswith("s") else word
    return word if len(word) <= 10 else "layer"


class Names:
    """Hands out names that are unique in one scope and not reserved there."""

    def __init__(self, reserved: Collection[str], promised: Collection[str] = ()):
        self.taken = set(reserved)
        self.promised = frozenset(promised)

    def unique(self, wanted: str, separator: str = "_", *, owner: bool = False) -> str:
        """`wanted`, or the first free of `wanted_2`, `wanted_3`, …

        A name that begins with `_` may be one of the framework's own (`_modules`,
        `__init__`): it gets a word in front. A promised name goes to its owner alone.
        """
        # Python reads identifiers in NFKC, and changing a letter's case can undo that.
        wanted = unicodedata.normalize("NFKC", wanted)
        own = wanted if owner else ""
        if wanted.startswith("_"):
            wanted = f"layer{wanted}"
        if keyword.iskeyword(wanted) or wanted in _BUILTINS:
            wanted += "_"
        name, number = wanted, 2
        while name in self.taken or (name in self.promised and name != own):
            name, number = f"{wanted.rstrip('_')}{separator}{number}", number + 1
        self.taken.add(name)
        return name
