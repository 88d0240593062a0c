"""Methods, one file a family. Each module registers its classes on import; see :mod:`advcodes.methods.registry`.

Nothing here imports torch at module level: reading params.yaml and planning six hundred jobs needs the methods'
configuration models and phases, not their arithmetic, which lives in :mod:`advcodes.losses` and
:mod:`advcodes.nets`.
"""
