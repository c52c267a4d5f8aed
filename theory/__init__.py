"""The mathematics of unmasking schedules, on plain arrays.

All information is in nats; positions and curves are 0-based. The modules, by the section of the
mathematics that they hold and that docstrings refer to as "theory, section N":

1. Laws and their curves

   - ``tables``: joint tables of small laws: checks, margins, conditional marginals, draws
   - ``distributions``: laws with structure, and laws by name; its docstring has the closed forms
   - ``enumeration``: entropies of all subsets of positions, on all cores or on a GPU
   - ``curves``: the curve C, total and dual total correlation, growth and TSE complexity
   - ``increment_draws``: unbiased draws of how a curve falls, where it takes too long
   - ``ensembles``: mean curves of laws that are drawn at random

2. What a sampler loses

   - ``divergences``: step sizes under a random order, ordered partitions, surfaces of one order
   - ``outputs``: the law that a parallel sampler outputs, and its KL, by enumeration
   - ``adaptive``: groups chosen from revealed values, and the best of all such policies

3. Imperfect models

   - ``learned``: cross-entropy curves, and what the answers of a model add to the loss

4. Step sizes for a curve, whose solvers are ``schedopt.solvers``
5. Orders

   - ``orders``: the dilated order of DUS, its groups, and pipelines of blocks
   - ``partitions``: the best ordered partition of a small law's positions
   - ``chain_partitions``: the same for order-1 chains and rings, in polynomial time

6. Guarantees from scalars

   - ``guarantees``: sharp constants, the sizes that make them least, TC and DTC together, and
     what others have proved

7. What a scalar cannot say

   - ``randomized``: step sizes with a random phase, up to twice as good in the worst case
   - ``hardness``: jumps that no probe meets

8. Smooth curves

   - ``continuum``: the square-root rule, and its asymptotic value

9. The Bernoulli sampler, where each position waits for its own time

   - ``bernoulli``: its loss, and bounds of each step by the odds
   - ``growth``: the unmasking growth function, its complexity and limits
   - ``odds_blocks``: odds that grow by another factor in each block
   - ``certificates``: schedules certified from draws alone

10. Curves known up to a band

    - ``bands``: worst cases in closed form and as a linear program

11. DUS

    - ``dus``: its entropy bound, its loss on chains and rings, and where distance says nothing

``compiled`` lets numba compile a kernel where it is installed; elsewhere Python runs its source.
"""
