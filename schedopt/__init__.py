"""Optimal unmasking schedules for masked diffusion language models.

Errors are here at once; types, readers and the verbs, such as ``solve``, ``fit``, ``sample`` and
``evaluate``, load their packages (numpy; for verbs torch, too) at first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from schedopt.errors import (
    DeviceMemoryError,
    FormatError,
    InfeasibleError,
    InputError,
    MissingInputError,
    MissingModelError,
    NoisyEstimateError,
    OutputError,
    SchedoptError,
    UsageError,
)

__version__ = "0.1.0"

if TYPE_CHECKING:
    from schedopt.curve import InformationCurve, OrderSurface
    from schedopt.data import Windows
    from schedopt.estimators import estimate
    from schedopt.evaluation import (
        evaluate,
        evaluate_task,
        evaluate_texts,
        law_kl,
        load_judge,
        match,
        pareto_front,
    )
    from schedopt.files import (
        CurveFile,
        Prediction,
        ScheduleFile,
        SurfaceFile,
        read_curve,
        read_schedule,
        read_surface,
        write,
    )
    from schedopt.fitting import fit
    from schedopt.models import CallableDenoiser, load_model
    from schedopt.samplers import policy_for, sample
    from schedopt.schedule import Order, UnmaskingSchedule
    from schedopt.solution import Solution, Status
    from schedopt.solvers import solve
    from schedopt.tasks import make_task
    from schedopt.texts import load_text, self_samples

__all__ = [
    "CallableDenoiser",
    "CurveFile",
    "DeviceMemoryError",
    "FormatError",
    "InfeasibleError",
    "InformationCurve",
    "InputError",
    "MissingInputError",
    "MissingModelError",
    "NoisyEstimateError",
    "Order",
    "OrderSurface",
    "OutputError",
    "Prediction",
    "SchedoptError",
    "ScheduleFile",
    "Solution",
    "Status",
    "SurfaceFile",
    "UnmaskingSchedule",
    "UsageError",
    "Windows",
    "estimate",
    "evaluate",
    "evaluate_task",
    "evaluate_texts",
    "fit",
    "law_kl",
    "load_judge",
    "load_model",
    "load_text",
    "make_task",
    "match",
    "pareto_front",
    "policy_for",
    "read_curve",
    "read_schedule",
    "read_surface",
    "sample",
    "self_samples",
    "solve",
    "write",
]

_LAZY: Final = {
    "CallableDenoiser": "schedopt.models",
    "CurveFile": "schedopt.files",
    "InformationCurve": "schedopt.curve",
    "Order": "schedopt.schedule",
    "OrderSurface": "schedopt.curve",
    "Prediction": "schedopt.files",
    "ScheduleFile": "schedopt.files",
    "Solution": "schedopt.solution",
    "Status": "schedopt.solution",
    "SurfaceFile": "schedopt.files",
    "UnmaskingSchedule": "schedopt.schedule",
    "Windows": "schedopt.data",
    "estimate": "schedopt.estimators",
    "evaluate": "schedopt.evaluation",
    "evaluate_task": "schedopt.evaluation",
    "evaluate_texts": "schedopt.evaluation",
    "fit": "schedopt.fitting",
    "law_kl": "schedopt.evaluation",
    "load_judge": "schedopt.evaluation",
    "load_model": "schedopt.models",
    "load_text": "schedopt.texts",
    "make_task": "schedopt.tasks",
    "match": "schedopt.evaluation",
    "pareto_front": "schedopt.evaluation",
    "policy_for": "schedopt.samplers",
    "read_curve": "schedopt.files",
    "read_schedule": "schedopt.files",
    "read_surface": "schedopt.files",
    "sample": "schedopt.samplers",
    "self_samples": "schedopt.texts",
    "solve": "schedopt.solvers",
    "write": "schedopt.files",
}

_MODULES: Final = (
    *("curve", "data", "estimators", "evaluation", "exact", "exporters", "files", "fitting"),
    *("models", "samplers", "schedule", "sizes", "solution", "solvers", "tasks", "texts"),
)

if not TYPE_CHECKING:  # a type checker reads the imports above, and reports unknown names

    def __getattr__(name: str) -> Any:
        """What needs heavier packages, from where it stands."""
        if name in _MODULES:
            return import_module(f"schedopt.{name}")
        if name not in _LAZY:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(_LAZY[name]), name)
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
