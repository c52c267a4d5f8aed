r"""A logarithm for the sums of p log p: branch-free, so that it runs in vector registers.

With p = m 2^e and 1 <= m < 2, m is scaled by c where it is over about sqrt 2, and

.. math:: \log p = e \log 2 - [m \ge s] \log c + t A(t), \qquad t = m - 1 \text{ or } c m - 1.

A interpolates log(1 + t) / t at the 13 Chebyshev nodes of [0, 0.41422]. The absolute error is
below 1e-15, which is what an entropy asks for (its weights sum to one); powers of 2 are exact to
rounding, and p = 0 gives a finite number, so that p log p is 0 there.
"""

from __future__ import annotations

from math import log
from struct import pack, unpack

LOG_2 = log(2.0)
SPLIT = float.fromhex("0x1.6a0ap0")  # sqrt 2 and 1 / sqrt 2 in few bits: half a register on a GPU
SCALE = float.fromhex("0x1.6a09ep-1")
LOG_SCALE = log(SCALE)
SERIES = (
    0.9999999999999976,
    -0.49999999999796557,
    0.33333333305671914,
    -0.24999998515256103,
    0.19999958367717016,
    -0.16665967254244962,
    0.14278105027874818,
    -0.12443829564494391,
    0.1082192038267159,
    -0.0894632353631642,
    0.06357533455398189,
    -0.03265484571640788,
    0.008615178042195927,
)

# The layout of a float64: 52 bits of mantissa, the exponent with 1023 added above them.
MANTISSA_BITS = 52
MANTISSA = 2**MANTISSA_BITS - 1
ONE = 1023 << MANTISSA_BITS
# An integer below 2^52 in the mantissa of 2^52 is 2^52 plus it: a conversion without a conversion.
SHIFTED = (1023 + MANTISSA_BITS) << MANTISSA_BITS
SHIFTED_BIAS = 2.0**MANTISSA_BITS + 1023.0


def bits_of(value: float) -> int:
    """The bits of a float64 as an integer."""
    return int(unpack("<q", pack("<d", value))[0])
