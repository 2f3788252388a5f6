"""`python -m wian.simulator`: the simulator alone, without the command line's other parts."""

import argparse
import asyncio
import contextlib
import signal
import sys

from wian.simulator.process import secrets_from_environment, serve


def main() -> int:
    """Serve until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m wian.simulator")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--no-tls", action="store_true", help="open no TLS port")
    given = parser.parse_args()

    async def run() -> int:
        task = asyncio.ensure_future(
            serve(host=given.host, port=given.port, tls_port=None if given.no_tls else 0, secrets=secrets_from_environment())
        )
        for number in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            return await task
        return 0

    return asyncio.run(run())


if __name__ == "__main__":
    sys.exit(main())
