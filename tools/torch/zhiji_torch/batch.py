"""Examples, as a phone sees them, and as padded tensors.

Ids and words are hashed as docs/bundle.md says under "Hashes".
"""

from dataclasses import dataclass, field

import torch

MASK = (1 << 64) - 1
ID = "id"
"""Stands for the item's own id among the fields whose values are hashed."""
HISTORY_MOST = 50
"""The most recent items that a phone reads."""

UNKNOWN, NOTHING = -1, -2


def hash64(data: bytes) -> int:
    """FNV-1a with 64 bits, closed by the finaliser of MurmurHash3."""
    h = 0xCBF29CE484222325
    for byte in data:
        h = ((h ^ byte) * 0x100000001B3) & MASK
    h = ((h ^ (h >> 33)) * 0xFF51AFD7ED558CCD) & MASK
    h = ((h ^ (h >> 33)) * 0xC4CEB9FE1A85EC53) & MASK
    return h ^ (h >> 33)


def item_key(item) -> int:
    """The hash of an id; a number is a hash already."""
    return item if isinstance(item, int) else hash64(item.encode())


def word_key(field_name: str, word) -> int:
    """The hash of a word of a field; a number is a hash already."""
    return word if isinstance(word, int) else hash64(field_name.encode() + b"\x1f" + word.encode())


def key_of(word) -> int:
    """The hash of a word: a number that is one already, or a pair of a field and a word."""
    return word if isinstance(word, int) else word_key(*word)


@dataclass
class Example:
    """One pair of a user and an item.

    `dense` holds the features by their names, `words` pairs of a field and a word, `recent` what the user chose lately, the newest
    first: pairs of an item and its words, which are pairs again or hashes. Ids and words are texts, or their hashes as numbers (the column
    `keys` of `zhiji features`).
    """

    dense: dict
    item: object = 0
    words: list = field(default_factory=list)
    recent: list = field(default_factory=list)


class Batch:
    """Examples as tensors, padded to the longest: what a model's blocks read.

    Shapes, of n examples: `dense` [n, features]; `row` [n], the row of the item or UNKNOWN; `word` and `word_field` [n, words], the upper
    halves of the keys and the places of their fields, NOTHING where there is none; `recent` [n, items], rows, UNKNOWN or NOTHING, the newest
    first; `recent_word` [n, items, words].
    """

    def __init__(self, examples, features, fields, rows, dtype=torch.float32):
        n = len(examples)
        self.dense = torch.tensor([[e.dense[name] for name in features] for e in examples], dtype=dtype).reshape(n, len(features))
        self.row = torch.tensor([rows.get(item_key(e.item), UNKNOWN) for e in examples])
        words, places = [], []
        for e in examples:
            keys = [(ID, item_key(e.item))] + [(name, word_key(name, word)) for name, word in e.words]
            words.append([key >> 32 for _, key in keys])
            # A word of a field that nobody hashes still tells what an item without a row is like.
            places.append([fields.index(name) if name in fields else UNKNOWN for name, _ in keys])
        self.word, self.word_field = _padded(words), _padded(places)
        self.own = torch.arange(self.word.shape[1]).expand_as(self.word) > 0
        recent = [e.recent[:HISTORY_MOST] for e in examples]
        self.recent = _padded([[rows.get(item_key(item), UNKNOWN) for item, _ in items] for items in recent])
        keys = [[[key_of(word) >> 32 for word in words] for _, words in items] for items in recent]
        most = max((len(words) for items in keys for words in items), default=0)
        self.recent_word = torch.full((*self.recent.shape, most), NOTHING)
        for at, items in enumerate(keys):
            for age, words in enumerate(items):
                self.recent_word[at, age, : len(words)] = torch.tensor(words, dtype=torch.int64)

    def rows(self, rows):
        """Some of the examples, by their numbers."""
        part = object.__new__(Batch)
        part.__dict__ = {name: tensor[rows] for name, tensor in self.__dict__.items()}
        return part

    def __len__(self):
        return len(self.row)


def _padded(lists):
    most = max((len(one) for one in lists), default=0)
    out = torch.full((len(lists), most), NOTHING)
    for at, one in enumerate(lists):
        out[at, : len(one)] = torch.tensor(one, dtype=torch.int64)
    return out
