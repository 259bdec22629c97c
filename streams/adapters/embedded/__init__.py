"""A real Apache Kafka broker and a real Redis-protocol server, without Docker or root.

For the demo, for development and for tests. `EmbeddedKafka.start(dir)` and
`EmbeddedRedis.start(dir)` answer on 127.0.0.1 only, end with the process that started them, and
can be stopped, killed and restarted on the same data and port.
"""

from streams.adapters.embedded.kafka import EmbeddedKafka
from streams.adapters.embedded.redis import EmbeddedRedis

__all__ = ["EmbeddedKafka", "EmbeddedRedis"]
