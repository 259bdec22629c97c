"""Physical names: every topic, group and transactional id carries the namespace."""

from dataclasses import dataclass

from schemas.topics import TOPIC_BY_NAME, physical_name


@dataclass(frozen=True, slots=True)
class Names:
    """Names of one installation; `generation` counts the lives of journal and state."""

    namespace: str
    generation: int

    def topic(self, logical: str) -> str:
        """Topic on the broker."""
        return physical_name(TOPIC_BY_NAME[logical], self.namespace, self.generation)

    def group(self, role: str) -> str:
        """Consumer group of a role."""
        return f"{self._prefix}{role}.g{self.generation}"

    def transactional_id(self, role: str, instance: str) -> str:
        """Stable over restarts, so that a new life ends the transaction of the one before."""
        return f"{self._prefix}{role}.g{self.generation}.{instance}"

    @property
    def journal(self) -> str:
        """What the store is stamped with."""
        return f"{self._prefix}g{self.generation}"

    @property
    def _prefix(self) -> str:
        return f"{self.namespace}.rfm." if self.namespace else "rfm."
