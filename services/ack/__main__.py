"""``python -m services.ack [api|worker|all|migrate]`` runs the acknowledgment service."""

import sys

from services.ack.app import SERVICE
from shared.runtime import run
from shared.service import Role, run_service


def main() -> None:
    """Run the role named on the command line; the default is `all`."""
    role = Role(sys.argv[1]) if len(sys.argv) > 1 else Role.ALL
    run(run_service(SERVICE, role))


if __name__ == "__main__":
    main()
