"""The demo on the memory backend: the same decisions in this process, without Kafka and Redis."""

from collections.abc import Sequence

from streams.adapters.memory.log import Published
from streams.adapters.system_clock import SystemClock
from streams.bootstrap import build_rates, limits_of
from streams.demo.board import Board
from streams.demo.stages import Link
from streams.files.events import Event
from streams.replay.replay import DeadLetter, Replay
from streams.settings import Settings


class MemoryStage:
    """`Stage` on a replay that is fed as time passes."""

    title = "memory backend, no Kafka and Redis"
    links: Sequence[Link] = ()

    def __init__(self, settings: Settings, rules: str) -> None:
        self._outputs: list[tuple[str, bytes]] = []
        self._refused: list[str] = []
        self.replay = Replay(
            rules,
            limits_of(settings),
            build_rates(settings),
            SystemClock().now_ms(),
            self._deliver,
            self._refuse,
        )

    def publish(self, events: Sequence[Event], until_ms: int) -> None:
        """Decide the events and everything that is due before `until_ms`."""
        for event in events:
            self.replay.take(event)
        self.replay.move_to(until_ms)
        self.replay.finish()

    def collect(self, board: Board) -> None:
        """Put what was decided since the last time on the board."""
        for topic, value in self._outputs:
            board.take(topic, value)
        for reason in self._refused:
            board.refuse(reason)
        self._outputs.clear()
        self._refused.clear()

    def _deliver(self, topic: str, record: Published) -> None:
        self._outputs.append((topic, record.value))

    def _refuse(self, letter: DeadLetter) -> None:
        self._refused.append(letter.reason)
