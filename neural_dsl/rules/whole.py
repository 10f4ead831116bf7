"""All rules about a whole network that is to be trained on its task."""

from __future__ import annotations

from neural_dsl.graph.findings import Findings
from neural_dsl.graph.nodes import Network
from neural_dsl.graph.settings import Task
from neural_dsl.rules.learning import check_learning
from neural_dsl.rules.measures import check_measures
from neural_dsl.rules.muon import check_muon


def check_training(network: Network, task: Task, findings: Findings) -> None:
    """Report what the network cannot learn of its task, and settings that fit neither."""
    check_learning(network, task, findings)
    if network.task is not None:
        check_measures(network, findings)
        check_muon(network, findings)
