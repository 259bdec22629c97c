"""`SentMemory` on Redis: two states of an action under a key that expires."""

from typing import Final

from streams.adapters.redis.keys import Keys
from streams.adapters.redis.scripts import AsyncClient
from streams.adapters.redis.store import mapped
from streams.deliver.ports import Mark


class RedisSentMemory:
    """Marks of actions, kept for `keep_s` seconds from the latest change on."""

    def __init__(self, client: AsyncClient, keys: Keys, keep_s: int) -> None:
        self._client = client
        self._keys = keys
        self._keep_s: Final = keep_s

    async def mark(self, action_id: str) -> Mark:
        """How far it is."""
        with mapped():
            found = await self._client.execute_command("GET", self._keys.sent(action_id))
        return Mark(found.decode()) if found is not None else Mark.NEW

    async def begin(self, action_id: str) -> None:
        """Set where nothing stands: a life that comes later knows of this one's attempt."""
        with mapped():
            await self._set(action_id, Mark.BEGUN, "NX")

    async def finish(self, action_id: str) -> None:
        """Set whatever stands there."""
        with mapped():
            await self._set(action_id, Mark.DONE)

    async def _set(self, action_id: str, mark: Mark, *condition: str) -> None:
        key = self._keys.sent(action_id)
        await self._client.execute_command("SET", key, mark.value, *condition, "EX", self._keep_s)
