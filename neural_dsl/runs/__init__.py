"""Training runs: their folder, checkpoints, logs, resuming, evaluation and prediction.

What trains is the emitted file itself (`backends/*/training.py` imports it and iterates
its `Training`); everything here stands around it.
"""
