"""The model ``schedopt`` of lm-evaluation-harness, the extra ``lm-eval``.

lm-eval finds models in its own registry only; it has no entry points. Its command line is
therefore run with the model registered::

    python -m schedopt.harness run --model schedopt --tasks gsm8k --batch_size 32 \\
        --model_args pretrained=llada,schedule=schedule.json

and in Python, ``register()`` stands before ``lm_eval.simple_evaluate("schedopt", ...)``.
"""

from schedopt.harness.register import register

__all__ = ["register"]
