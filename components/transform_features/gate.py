"""Honours the data gate: what validate_examples refused is not transformed."""

import logging
from pathlib import Path

from components._shared.errors import Refusal
from components._shared.gates import Verdict, read_gate_report

logger = logging.getLogger("sluice.transform_features")

GATE = "data"
_SEE = "See the page of validate_examples, mend the data or the schema, and run again."


def honour_data_gate(anomalies: str | Path, data_version: str) -> None:
    """Returns when the data gate lets these very examples through.

    Args:
        anomalies: The anomalies artifact, with the gate's report.
        data_version: Data version of the examples at hand.

    Raises:
        Refusal: If the gate failed, or its report is missing, unreadable, or about other data.
    """
    try:
        report = read_gate_report(anomalies)
    except (OSError, ValueError) as error:
        raise Refusal("Data is transformed only with the report of the data gate.", received=error, remedy=_SEE) from error
    if report.evidence.data_version != data_version:
        received = f"a report about {report.evidence.data_version or 'no data'}, examples {data_version}"
        raise Refusal("The report of the data gate is about these examples.", received=received, remedy=_SEE)
    results = [result for result in report.gates if result.gate == GATE]
    if len(results) != 1:
        raise Refusal("The report holds one verdict of the data gate.", received=len(results), remedy=_SEE)
    verdict, reason = results[0].verdict, results[0].reason
    if verdict is Verdict.SWITCHED_OFF:
        logger.warning("The data gate is switched off: %s", reason)
    elif verdict is not Verdict.PASSED:
        received = reason if verdict is Verdict.FAILED else f"{verdict.value}: {reason}"
        raise Refusal("Data is transformed only when the data gate passed.", received=received, remedy=_SEE)
