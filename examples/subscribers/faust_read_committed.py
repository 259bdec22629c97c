"""Makes Faust pass over records of transactions that were rolled back. No setting of it does."""

from typing import Any

from faust.transport.drivers.aiokafka import Consumer


class ReadCommitted(Consumer):
    """Set it as `app.transport.Consumer` before the app starts."""

    def _new_consumer_thread(self) -> Any:
        thread = super()._new_consumer_thread()
        make = thread._create_worker_consumer

        def make_committed(transport: Any) -> Any:
            consumer = make(transport)
            consumer._isolation_level = "read_committed"  # read when it starts
            return consumer

        thread._create_worker_consumer = make_committed
        return thread
