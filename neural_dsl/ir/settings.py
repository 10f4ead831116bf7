"""Loss, optimizer, schedule, metrics, train and execution settings."""

from __future__ import annotations

from typing import Any

from neural_dsl.ir.findings import Findings
from neural_dsl.ir.sections import Sections


def resolve_settings(sections: Sections, findings: Findings) -> dict[str, Any]:
    return {
        "loss": None,
        "optimizer": None,
        "lr_schedule": None,
        "metrics": (),
        "train": {},
        "execution": {},
    }
