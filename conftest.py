"""What pytest leaves out: the GPU kernels, where Triton is not installed."""

from importlib.util import find_spec

KERNELS = ["theory/enumeration/cuda.py", "schedopt/models/head_cuda.py"]

collect_ignore = [] if find_spec("triton") else KERNELS
