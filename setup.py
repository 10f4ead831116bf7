"""Maps the top-level `grammar/` and `templates/` folders into the installed package.

Everything else about the project stands in pyproject.toml.
"""

from setuptools import find_packages, setup

setup(
    packages=[
        *find_packages(include=["neural_dsl", "neural_dsl.*"]),
        "neural_dsl.grammar",
        "neural_dsl.templates",
    ],
    package_dir={
        "neural_dsl.grammar": "grammar",
        "neural_dsl.templates": "templates",
    },
    package_data={
        "neural_dsl": ["py.typed", "diagnostics/pages/*.md", "syntax/tables.json"],
        "neural_dsl.grammar": ["*.lark"],
        "neural_dsl.templates": ["**/*.j2", "**/*.js", "**/*.css"],
    },
)
