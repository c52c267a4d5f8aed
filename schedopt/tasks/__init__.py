"""Tasks with exact checkers, generated from a seed, for judging samplers by accuracy.

- ``task``: what a task is; which prompts are held out.
- ``lists``, ``addition``, ``squares``, ``walks``: the tasks; ``registry`` finds them by name.
"""

from schedopt.tasks.registry import TASKS, make_task
from schedopt.tasks.task import MASK, Instances, Task, is_held_out

__all__ = ["MASK", "TASKS", "Instances", "Task", "is_held_out", "make_task"]
