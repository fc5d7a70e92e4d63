"""The blocks of docs/bundle.md as PyTorch modules, and their way into a bundle. See README.md beside this folder."""

from .batch import ID, Batch, Example, hash64, item_key, word_key
from .blocks import Covisit, Dense, Embed, Fm, Item, Mean, Product, Recent, Vector, Wide
from .history import Attention, Sequence
from .layers import Cross, Mlp, Mmoe
from .model import Model, Task, Tier

__all__ = [
    "ID", "Attention", "Batch", "Covisit", "Cross", "Dense", "Embed", "Example", "Fm", "Item", "Mean", "Mlp", "Mmoe", "Model", "Product", "Recent",
    "Sequence", "Task", "Tier", "Vector", "Wide", "hash64", "item_key", "word_key",
]
