"""Log and store inside the process, on simulated time: for replay, back-tests and tests."""

from streams.adapters.memory.clock import SimulatedClock
from streams.adapters.memory.log import MemoryBroker, MemoryLog, MemoryStateLog
from streams.adapters.memory.store import MemoryStateStore

__all__ = ["MemoryBroker", "MemoryLog", "MemoryStateLog", "MemoryStateStore", "SimulatedClock"]
