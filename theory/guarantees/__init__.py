"""What step sizes guarantee when all that is known of a curve is a scalar or two.

``scalars`` holds the sharp constant of any sizes, ``greedy`` the sizes that make it least,
``affine`` both when TC and DTC are known together, ``published`` what others have proved.
"""

from theory.guarantees.affine import affine_sizes, minimax_sizes, sup_kl, worst_curve
from theory.guarantees.greedy import greedy_sizes, least_theta, sizes_within, step_bound
from theory.guarantees.published import (
    austin_bound,
    austin_sizes,
    chen_cong_li_dtc_sizes,
    chen_cong_li_step_bound,
    chen_cong_li_tc_sizes,
    li_cai_bound,
    wainwright_bound,
    wainwright_sizes,
)
from theory.guarantees.scalars import (
    SCALARS,
    Scalar,
    curve_of_jumps,
    growth_bound,
    jump_weight,
    scalar_value,
    worst_jump,
    worst_ratio,
)

__all__ = [
    "SCALARS",
    "Scalar",
    "affine_sizes",
    "austin_bound",
    "austin_sizes",
    "chen_cong_li_dtc_sizes",
    "chen_cong_li_step_bound",
    "chen_cong_li_tc_sizes",
    "curve_of_jumps",
    "greedy_sizes",
    "growth_bound",
    "jump_weight",
    "least_theta",
    "li_cai_bound",
    "minimax_sizes",
    "scalar_value",
    "sizes_within",
    "step_bound",
    "sup_kl",
    "wainwright_bound",
    "wainwright_sizes",
    "worst_curve",
    "worst_jump",
    "worst_ratio",
]
