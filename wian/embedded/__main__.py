"""`python -m wian.embedded`: start both servers, print their addresses as one line of JSON, and wait to be stopped.

`python -m wian.embedded rabbitmq4`: make a root with RabbitMQ 4 when there is none, and print its path.
"""

import asyncio
import json
import signal
import sys
from dataclasses import asdict

from wian.embedded.chroot import made_root
from wian.embedded.errors import EmbeddedServerError
from wian.embedded.folders import default_home
from wian.embedded.servers import servers


async def _serve() -> None:
    asked_to_stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    started = False

    def stop() -> None:
        asked_to_stop.set()
        if not started and task is not None:
            task.cancel()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    async with servers() as running:
        started = True
        print(json.dumps(asdict(running.addresses)), flush=True)
        await asked_to_stop.wait()


async def _make_root() -> None:
    print(await made_root(default_home()))


def main() -> int:
    try:
        asyncio.run(_make_root() if sys.argv[1:] == ["rabbitmq4"] else _serve())
    except EmbeddedServerError as error:
        print(error, file=sys.stderr)
        return 1
    except asyncio.CancelledError:
        print("Stopped before the servers were ready.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
