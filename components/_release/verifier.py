"""What a project wants of a server when something is pushed: that it has the version, and the labels if there are any."""

import dataclasses
import datetime
from collections.abc import Sequence

from components._release.approvals import State
from components._release.base import Base, BucketPath, to_base
from components._release.labels import CONFIGURATION_FILE, Labels, check_place
from components._release.ledger import WITHDRAWN
from components._release.promotion import begin_labels, verify_canary
from components._release.releases import live_version, read_places
from components._release.server_client import Server, make_servers
from components._release.server_waits import check_all_know_model, check_all_reachable
from components._release.verification import verify_pushed, was_interrupted
from components._release.waiting import Settled, list_requests, settle_waiting
from components._shared.errors import UserError

FILE, RELOAD = "file", "reload"
"""How servers learn where labels are: they read a file again and again, or are told by ReloadConfig."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Verifier:
    """Servers that verify what is pushed.

    Attributes:
        servers: The servers, at least one.
        labels: Where their labels are moved; None where versions have none.
    """

    servers: tuple[Server, ...]
    labels: Labels | None = None

    @property
    def where(self) -> str:
        """The servers, for people."""
        return ", ".join(server.url for server in self.servers)

    def prepare(self, base: Base) -> None:
        """Makes sure that each server answers, before anything is pushed.

        Raises:
            UserError: If one does not, or does not have the model, or labels are to move in another place than the serving
                directory's.
        """
        if self.labels:
            check_place(base, self.labels)
        # TF Serving opens its ports when it has a version, so before the first one there is nobody to ask.
        if live_version(base):
            if self.labels:  # servers may have to be told of the model yet
                check_all_reachable(self.servers)
                begin_labels(base, self.labels)
            else:
                check_all_know_model(self.servers)

    def verify(self, base: Base) -> tuple[str, str]:
        """Returns the version that had to be withdrawn and why, in sentences; two empty texts if all is well."""
        return verify_canary(base, self.labels) if self.labels else verify_pushed(base, self.servers)


def make_verifier(
    base: Base, addresses: str, model_name: str, wait_seconds: float, config_file: str | Base, labels: str
) -> Verifier | None:
    """Returns the verifier of a project; None if it names no server.

    Args:
        base: The serving directory.
        addresses: The servers, with commas between; empty for none.
        model_name: The model's name there.
        wait_seconds: How long a version may take to become AVAILABLE.
        config_file: The servers' model configuration; empty for one in the serving directory, if labels need it.
        labels: How servers learn where labels are: `file`, they read the configuration, or `reload`, they are sent it; empty
            for no labels.

    Raises:
        UserError: If something is no address, or labels are told to a server that has no gRPC address.
    """
    servers = make_servers(addresses, model_name, wait_seconds)
    if not servers:
        return None
    if not labels:
        return Verifier(servers=servers)
    if labels == RELOAD and isinstance(base, BucketPath):
        rule = "Servers of a bucket read the model configuration that lies beside the versions."
        raise UserError(rule, received="labels: reload", remedy="Leave serving.labels out, or set it to file.")
    if labels == RELOAD and (rest := [server.url for server in servers if not server.grpc]):
        raise UserError("Labels are told to servers by gRPC: each is named by grpc://host:port.", received=rest[0])
    if labels != RELOAD and not config_file:
        raise UserError("Labels move in the model configuration that servers read.", received="no model_config_file")
    file = to_base(config_file) if config_file else base / CONFIGURATION_FILE
    return Verifier(servers=servers, labels=Labels(config_file=file, servers=servers, reload=labels == RELOAD))


def check_labels_stay(base: Base, verifier: Verifier | None) -> None:
    """Checks that nothing is pushed without labels where versions have some.

    The live version is the one labelled stable there. A push without labels would be the highest version, which servers that
    poll take at once, and neither verified nor live.

    Args:
        base: The serving directory; it need not exist.
        verifier: The servers; None for none.

    Raises:
        UserError: If versions have labels, and the servers have none.
    """
    labels = {} if verifier and verifier.labels else read_places(base).labels
    if labels:
        raise UserError(
            "Where versions have labels, a push has a server whose labels move.",
            received=", ".join(f"{label} is version {version}" for label, version in sorted(labels.items())),
            remedy="Set serving.server, and serving.model_config_file or serving.labels, again. To do without labels, run "
            "`sluice unlabel` before they go.",
        )


def settle_verified(base: Base, verifier: Verifier | None, *, now: datetime.datetime) -> Sequence[Settled]:
    """Settles what waits, and verifies what is live by that, or by a push that was interrupted.

    Args:
        base: The serving directory; it need not exist.
        verifier: The servers; None for none.
        now: The time.

    Raises:
        UserError: As `settle_waiting` and `check_labels_stay`, or if a server does not answer where something was approved,
            or a push died before its verification.
    """
    if verifier is None:
        return settle_waiting(base, now=now)
    check_labels_stay(base, verifier)
    if any(request.state is State.APPROVED for request in list_requests(base)):
        verifier.prepare(base)
    elif was_interrupted(base):  # before the first version there is nobody to ask
        check_all_reachable(verifier.servers)
    settled = settle_waiting(base, now=now)
    version, problem = verifier.verify(base)
    return [
        dataclasses.replace(item, kind=WITHDRAWN, reason=problem) if version and item.version == version else item
        for item in settled
    ]
