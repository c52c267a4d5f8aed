"""Classes by which other programs follow a schedule in their own loops; a module for each.

- ``diffusers``: a scheduler for ``LLaDA2Pipeline``; the module imports diffusers.
- ``sglang``: a plug-in that registers an algorithm for diffusion language models.
- ``rule``: which positions a schedule reveals next, and how a configuration spells that.
- ``reveal``: the rule on tensors.
"""
