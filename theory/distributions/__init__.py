"""Exact laws: each gives its table, and whatever of its curve it knows in closed form.

Every law answers what a model would be asked (``conditional_marginals``) and draws samples. Its
curve C and its entropies H(X_i | X_S), of which losses of any order are made, come from the joint
table unless one of these is known:

=========================  ===============================  ===================================
law                        curve                            H(X_i | X_S)
=========================  ===============================  ===================================
Product                    the mean of H(X_i)               H(X_i)
Parity                     log q, at the end 0              by the size of S
ReedSolomon                log q until d are known, then 0  by the size of S
RandomPermutation          log(n - j)                       by the size of S
ExchangeableBits           sums over counts, O(n^2)         by the size of S
NoisyRepeatedBit           sums over counts, O(n^2)         by the size of S
BalancedStrings            sums over counts, O(n^2)         by the size of S
PolyaUrn                   sums over counts, O(n^2)         by the size of S
MarkovChain, order 1       sums over gaps, O(n^2)           of the gaps around i
MarkovChain, order >= 2    the table                        the table
InhomogeneousChain         sums over gaps, O(n^2 q^3)       of the gaps around i
BernoulliWalk              sums over gaps, O(n^2)           of the gaps around i
IsingRing                  sums over arcs, O(n^2)           of the arc around i
RingField                  sums over arcs, O(n^2 q^3) (1)   of the arc around i
AffineSubspace             ranks of all subsets (2)         log p where the rank grows
HierarchicalPrototypes     sums over levels, O(n L^2)       of the levels that S hits
HiddenMarkov               the table                        the table
MixtureOfProducts          the table                        the table
TableLaw                   the table                        the table
=========================  ===============================  ===================================

(1) O(n^3 q^3) where the bonds differ from place to place. (2) Of any code for n up to 17, and of
longer ones where subsets leave few different codes. Chains of any order know their entropy.

Laws made of others know what these know:

=====================  =======================================================================
law                    curve
=====================  =======================================================================
IndependentCopies      that of a block, at hypergeometric numbers of known positions
CoordinatewiseProduct  the sum of two
GloballySwitched       p times that of the law, and h_2(p) more where nothing is known
Erased                 h_2(eps) and 1 - eps times that of the law at binomial numbers; H(X_i | X_S)
                       only of a law whose curve says it, else from the table
=====================  =======================================================================

``SymmetricLaw`` is the base of those whose H(X_i | X_S) depend on how many positions are known and
not on which: no order is better than another. ``LAWS`` has most of them by name.
"""

from theory.distributions.affine import AffineSubspace, linear_code, xorsat
from theory.distributions.blocks import IndependentCopies, one_hot_blocks
from theory.distributions.chains import InhomogeneousChain, MarkovChain, stationary_law
from theory.distributions.codes import Parity, ReedSolomon
from theory.distributions.erasure import Erased, GloballySwitched
from theory.distributions.exchangeable import (
    BalancedStrings,
    ExchangeableBits,
    NoisyRepeatedBit,
    PolyaUrn,
    RandomPermutation,
)
from theory.distributions.hidden import HiddenMarkov
from theory.distributions.law import Law, SymmetricLaw, TableLaw
from theory.distributions.pairs import CoordinatewiseProduct
from theory.distributions.products import MixtureOfProducts, Product
from theory.distributions.prototypes import HierarchicalPrototypes
from theory.distributions.registry import LAWS, build_law, law_parameters
from theory.distributions.rings import IsingRing, RingField
from theory.distributions.walks import BernoulliWalk

__all__ = [
    "LAWS",
    "AffineSubspace",
    "BalancedStrings",
    "BernoulliWalk",
    "CoordinatewiseProduct",
    "Erased",
    "ExchangeableBits",
    "GloballySwitched",
    "HiddenMarkov",
    "HierarchicalPrototypes",
    "IndependentCopies",
    "InhomogeneousChain",
    "IsingRing",
    "Law",
    "MarkovChain",
    "MixtureOfProducts",
    "NoisyRepeatedBit",
    "Parity",
    "PolyaUrn",
    "Product",
    "RandomPermutation",
    "ReedSolomon",
    "RingField",
    "SymmetricLaw",
    "TableLaw",
    "build_law",
    "law_parameters",
    "linear_code",
    "one_hot_blocks",
    "stationary_law",
    "xorsat",
]
