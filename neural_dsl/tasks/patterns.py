"""Going on with a block that repeats."""

from __future__ import annotations

from neural_dsl.tasks.lazy import np
from neural_dsl.tasks.sequences import SequenceTask, sequence


class PatternCompletion(SequenceTask):
    """`dabcd` goes on with `abc`: a random block repeats (Olsson et al., 2022).

    The first symbol of the repetition is given, for nothing before it tells where a
    block ends. An induction head finds where the latest symbol stood before, and what
    followed it there. In blocks that are not `unique`, some symbols cannot be foreseen.
    """

    fewest = 2  # symbols of a block
    separator = ""

    def input_length(self, n: int) -> int:
        """The length of the model's input for a block of n symbols."""
        return 2 * n - 1 + 2 * self.framing

    def __init__(
        self,
        length: int | tuple[int, int] = (4, 12),
        vocabulary: int = 20,
        unique: bool = True,
        framing: bool = False,
        **sizes: int,
    ):
        super().__init__(length, vocabulary, unique, framing, "sequence", **sizes)

    def write(self, problems: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Prompts: blocks (B, n) and their first symbol; answers: their other ones."""
        x = problems
        prompts, answers = np.concatenate([x, x[:, :1]], axis=1), x[:, 1:]
        if self.framing:
            return self.frame(prompts)[:, :-1], self.frame(answers)[:, 1:]
        return prompts, answers

    def source(self, prompt: str) -> np.ndarray:
        """The block (1, n) in a prompt such as `dabcd`. Raises ValueError."""
        x = self.ids(prompt)
        if len(x) < 3 or x[0] != x[-1]:
            example = self.space.join([*self.symbols[1:4], self.symbols[1]])
            raise ValueError(
                f"{prompt!r} does not end with the symbol that it begins with, as in "
                f"{example!r}: the pattern must have begun again"
            )
        if len(x) - 1 > self.longest:
            most = f"this task takes at most {self.longest}"
            raise ValueError(
                f"the block of {prompt!r} has {len(x) - 1} symbols; {most}"
            )
        return np.array([x[:-1]])

    def attention_for(self, prompt: str) -> list[tuple[int, tuple[int, ...]]]:
        """To predict symbol k of the block again, look at symbol k."""
        n = self.source(prompt).shape[1]
        start = int(self.framing)
        return [(start + n + k - 1, (start + k,)) for k in range(1, n)]

    def reachable(self) -> float | None:
        """Where symbols recur, nobody knows how many can be foreseen."""
        return 1.0 if self.unique else None


PATTERN_COMPLETION = sequence(
    PatternCompletion,
    "Going on with a random block that repeats: what induction heads are for. Olsson "
    "et al., 2022.",
    source="block",
    length=(4, 12),
    unique=True,
    aliases=("Induction",),
    layers_needed=2,
)
