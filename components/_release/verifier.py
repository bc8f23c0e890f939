"""What a project wants of a server when something is pushed: that it has the version, and the labels if there are any."""

import dataclasses
import datetime
from collections.abc import Sequence

from components._release.approvals import State
from components._release.base import Base, to_base
from components._release.labels import Labels, check_place
from components._release.ledger import WITHDRAWN
from components._release.promotion import begin_labels, verify_canary
from components._release.releases import live_version
from components._release.server_client import Server, check_reachable
from components._release.verification import verify_pushed
from components._release.waiting import Settled, list_requests, settle_waiting


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verifier:
    """A server that verifies what is pushed.

    Attributes:
        server: The server.
        labels: Where its labels are moved; None where versions have none.
    """

    server: Server
    labels: Labels | None = None

    def prepare(self, base: Base) -> None:
        """Makes sure that the server answers, before anything is pushed.

        Raises:
            UserError: If it does not, or labels are to move in another place than the serving directory's.
        """
        if self.labels:
            check_place(base, self.labels)
        # TF Serving opens its ports when it has a version, so before the first one there is nobody to ask.
        if live_version(base):
            check_reachable(self.server)
            if self.labels:
                begin_labels(base, self.labels)

    def verify(self, base: Base) -> tuple[str, str]:
        """Returns the version that had to be withdrawn and why, in sentences; two empty texts if all is well."""
        return verify_canary(base, self.labels) if self.labels else verify_pushed(base, self.server)


def make_verifier(url: str, model_name: str, wait_seconds: float, config_file: str | Base) -> Verifier | None:
    """Returns the verifier of a project; None if it names no server.

    Args:
        url: The server's REST interface; empty for none.
        model_name: The model's name there.
        wait_seconds: How long a version may take to become AVAILABLE.
        config_file: The server's model configuration file; empty for no labels.
    """
    if not url:
        return None
    server = Server(url=url, model_name=model_name, wait_seconds=wait_seconds)
    return Verifier(server=server, labels=Labels(config_file=to_base(config_file), server=server) if config_file else None)


def settle_verified(base: Base, verifier: Verifier | None, *, now: datetime.datetime) -> Sequence[Settled]:
    """Settles what waits, and verifies what is live by that, or by a push that was interrupted.

    Args:
        base: The serving directory; it need not exist.
        verifier: The server; None for none.
        now: The time.

    Raises:
        UserError: As `settle_waiting`, or if something was approved and the server does not answer.
    """
    if verifier is None:
        return settle_waiting(base, now=now)
    if any(request.state is State.APPROVED for request in list_requests(base)):
        verifier.prepare(base)
    settled = settle_waiting(base, now=now)
    version, problem = verifier.verify(base)
    return [
        dataclasses.replace(item, kind=WITHDRAWN, reason=problem) if version and item.version == version else item
        for item in settled
    ]
