"""What pytest leaves out: modules that import a package which is not installed."""

from importlib.util import find_spec

NEEDED_BY = {
    "triton": ["theory/enumeration/cuda.py", "schedopt/models/head_cuda.py"],
    "lm_eval": ["schedopt/harness/model.py"],
    "diffusers": ["schedopt/integrations/diffusers.py"],
}

collect_ignore = [
    path for package, paths in NEEDED_BY.items() if not find_spec(package) for path in paths
]
