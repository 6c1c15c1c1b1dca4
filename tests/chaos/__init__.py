"""Sessions in processes of their own, through a network that fails, on a stack that fails; then the verdict.

`make chaos`; see `__main__.py` for what it does and `verdict.py` for what can be found wrong.
"""
