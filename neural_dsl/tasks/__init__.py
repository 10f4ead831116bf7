"""What models can learn: one file a task.

The files of tasks are pasted into the emitted training scripts. This one, `custom.py`
and `files.py` are not: they serve the program.
"""
