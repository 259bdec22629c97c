"""A partition that the group has given to nobody is noticed, and handed out again."""

import os
import signal
import subprocess
import sys

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.adapters.kafka.config import Config
from streams.adapters.kafka.membership import GroupMember
from tests.soak.harness import wait_until
from tests.soak.test_parking import has_leaders

PARTITIONS = 6
GROUP = "holey"
HEALED_WITHIN_S = 40.0


class Dying(GroupMember):
    """A member that dies when it is asked to give partitions up: before it asks for the next round."""

    def _revoked(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def main(kafka: str, topic: str, kind: str) -> None:
    """Be the second member, in a process of its own, until killed."""
    made = Dying if kind == "dying" else GroupMember
    member = made({"bootstrap.servers": kafka}, topic, f"{topic}.{GROUP}", "b")
    told = False
    while True:
        member.poll(10, 0.05)
        if member.has_joined and not told:
            told = True
            sys.stdout.write("joined\n")
            sys.stdout.flush()


def second(kafka: str, topic: str, kind: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-m", "tests.soak.test_hole", kafka, topic, kind],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_an_owner_that_died_giving_up_leaves_no_hole(kafka: str, namespace: str) -> None:
    """Given a member that owns everything; when it dies in the act of sharing; then all is owned."""
    base: Config = {"bootstrap.servers": kafka}
    topic = f"{namespace}.holes"
    admin = AdminClient(base)
    admin.create_topics([NewTopic(topic, PARTITIONS, 1)])[topic].result()
    wait_until(lambda: has_leaders(admin, topic), 30, "leaders")
    first = second(kafka, topic, "dying")
    member: GroupMember | None = None
    again: subprocess.Popen[str] | None = None
    try:
        assert first.stdout is not None
        assert first.stdout.readline() == "joined\n"
        member = GroupMember(base, topic, f"{topic}.{GROUP}", "a")
        owned: set[int] = set()
        # It dies once this one has joined, and comes back under its name at once.
        wait_until(lambda: _poll(member, owned) and first.poll() is not None, 30, "its death")
        again = second(kafka, topic, "living")
        wait_until(
            lambda: _poll(member, owned) and len(owned) == PARTITIONS // 2,
            HEALED_WITHIN_S,
            "a share",
        )
    finally:
        for process in (first, again):
            if process is not None:
                process.kill()
                process.communicate()
        if member is not None:
            member.close()


def _poll(member: GroupMember | None, owned: set[int]) -> bool:
    assert member is not None
    polled = member.poll(10, 0.05)
    owned.difference_update(polled.lost)
    owned.update(polled.gained)
    return True


if __name__ == "__main__":
    main(*sys.argv[1:])
