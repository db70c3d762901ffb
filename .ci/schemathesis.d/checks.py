"""No answer of the API is a 5xx, whatever is asked: the check that `.ci/schemathesis` runs.

Two are answers of the services that Chamois replaces, which their clients rely on, and no failures: HSM v2 says 500 to a body
that is no JSON or has a wrong type in it (the document lists 500 for those routes), and cloud-init's WireGuard is not offered (501).
The third is what a probe is for: 503 of `/readyz?role=ROLE` says that the member has not got that role.
"""

import re

import schemathesis
from schemathesis.core.failures import Failure

# gateway/src/request.rs `malformed`: the two things that it says of a body.
MALFORMED = re.compile(r"(^|: )(error decoding JSON: |expected .+, got )")
NOT_OFFERED = "/cloud-init/wg-init"
PROBE = "/readyz"


def is_meant(response, case) -> bool:
    if response.status_code == 501:
        return case.operation.path == NOT_OFFERED
    if response.status_code == 503:
        return case.operation.path == PROBE
    documented = case.operation.definition.raw.get("responses", {})
    if response.status_code != 500 or "500" not in documented:
        return False
    try:
        detail = response.json().get("detail", "")
    except ValueError:
        return False
    return MALFORMED.search(detail) is not None


@schemathesis.check
def no_server_error(ctx, response, case) -> None:
    if response.status_code >= 500 and not is_meant(response, case):
        raise Failure(
            operation=case.operation.label,
            title=f"{response.status_code}: the API broke",
            message=response.text[:500],
        )
