"""How files that people write are read as YAML: by the core schema of YAML 1.2, as editors do.

Under YAML 1.1, which PyYAML reads by default, `on` is true, NO is false, 010 is eight and 21:30 is
1,290. Here they are texts. Only `true` and `false` are neither text nor number, besides dates, which
trees refuse.
"""

import re
from typing import Final

import yaml

try:
    # Ten times as fast; every wheel of PyYAML has it.
    from yaml import CSafeLoader as _SafeLoader
except ImportError:  # pragma: no cover - PyYAML built without libyaml
    from yaml import SafeLoader as _SafeLoader  # type: ignore[assignment]

_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"


class PlainLoader(_SafeLoader):
    """Plain data only, as `yaml.SafeLoader`."""


PlainLoader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in forms if tag not in {_BOOL, _INT}]
    for first, forms in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
PlainLoader.add_implicit_resolver(
    _BOOL, re.compile("^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
PlainLoader.add_implicit_resolver(
    _INT, re.compile("^[-+]?(?:0|[1-9][0-9]*)$"), list("-+0123456789")
)
