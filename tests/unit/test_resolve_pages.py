"""The examples on the pages of NE020–NE079 and NW020–NW079 show what they say."""

import re

import pytest

from neural_dsl.diagnostics import NeuralError
from neural_dsl.diagnostics.explain import codes, page
from neural_dsl.resolve.checking import check_all
from neural_dsl.source import Source
from neural_dsl.syntax.parser import parse

OURS = [code for code in codes() if 20 <= int(code[2:]) <= 79]


@pytest.mark.parametrize("code", OURS)
def test_example_on_the_page_triggers_its_code_and_no_other_error(code: str) -> None:
    example = re.search(r"```neural\n(.*?)```", page(code), re.S)
    assert example is not None
    try:
        found = check_all(parse(Source("example.neural", example[1])))
    except NeuralError as error:
        found = error.diagnostics
    assert code in [each.code for each in found]
    assert [each.code for each in found if each.severity == "error"] in ([], [code])


def test_every_code_that_the_resolver_can_raise_has_a_page() -> None:
    from pathlib import Path

    import neural_dsl

    root = Path(neural_dsl.__file__).parent
    raised = {
        code
        for folder in ("catalogue", "tasks", "resolve", "rules")
        for path in (root / folder).rglob("*.py")
        for code in re.findall(r'"(N[EW]0\d\d)"', path.read_text(encoding="utf-8"))
    }
    assert raised == set(OURS)
