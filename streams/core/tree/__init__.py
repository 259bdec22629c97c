"""The rule tree: conditions on a customer, for segments of a shop's own and for campaigns.

A node is one of

- `all` or `any` with a list of nodes, `not` with one node
- `field` with one operator: `eq`, `ne`, `lt`, `le`, `gt`, `ge`, `in`, `between` (both ends belong to
  it), `contains` (a list, or a part of a text), `starts_with`, `exists`, `within`. A field is
  `attribute.<name>` or the name of a fact (`fields.FACTS`). Several values after `contains` and
  `starts_with` mean any of them.
- `bought` with a category or sku, and `within`, `at_least` (orders), `at_least_units`
- `segment` with a `scheme` and the segments or flags it must be `in`

Rule files are written with durations as text and money in major units; `journaled_tree` turns that
into the journaled form, which `compile_tree` reads.
"""

from streams.core.tree.compiling import Tree, compile_tree
from streams.core.tree.errors import TreeError
from streams.core.tree.journaling import journaled_tree

__all__ = ["Tree", "TreeError", "compile_tree", "journaled_tree"]
