"""Strict, versioned files for curves, surfaces and schedules, written whole or not at all."""

from schedopt.files.atomic import write_atomic
from schedopt.files.codec import FORMATS, MEASURES, dumps, loads
from schedopt.files.disk import (
    load,
    load_or_document,
    read_bytes,
    read_curve,
    read_measure,
    read_schedule,
    read_surface,
    validate,
    write,
)
from schedopt.files.formats import (
    AnyFile,
    CurveFile,
    Prediction,
    SchedoptFile,
    ScheduleFile,
    SurfaceFile,
)

__all__ = [
    "FORMATS",
    "MEASURES",
    "AnyFile",
    "CurveFile",
    "Prediction",
    "SchedoptFile",
    "ScheduleFile",
    "SurfaceFile",
    "dumps",
    "load",
    "load_or_document",
    "loads",
    "read_bytes",
    "read_curve",
    "read_measure",
    "read_schedule",
    "read_surface",
    "validate",
    "write",
    "write_atomic",
]
