"""From what is to what a task wants: the connection, the loop, check mode and the diff, the same for all modules."""

from __future__ import annotations

import os
import traceback

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

try:
    import chamois
    from chamois import errors
    from chamois.http.v1 import http_pb2

    IMPORT_ERROR = None
except ImportError:
    IMPORT_ERROR = traceback.format_exc()

CONNECTION = {
    "endpoints": {"type": "list", "elements": "str"},
    "ca": {"type": "path"},
    "token": {"type": "str", "no_log": True},
    "token_file": {"type": "path"},
    "client_certificate": {"type": "path"},
    "client_key": {"type": "path", "no_log": False},
}
# An object that others change without end is not fought over.
ROUNDS_MAX = 8


class Thing:
    """One object. A module says how it is read, what is wanted of it, and how one step towards that is made."""

    def read(self):
        """What there is as a plain dict, or None."""
        raise NotImplementedError

    def wanted(self, before):
        """What there shall be, from what there is: a plain dict, or None."""
        raise NotImplementedError

    def change(self, before, after, metadata):
        """Makes the calls that lead from one to the other, each with `metadata`."""
        raise NotImplementedError


def run(arguments, thing, **more):
    """The whole module: `thing(client, module)` makes the `Thing`."""
    module = AnsibleModule(argument_spec={**CONNECTION, **arguments}, supports_check_mode=True, **more)
    if IMPORT_ERROR is not None:
        module.fail_json(msg=missing_required_lib("chamois"), exception=IMPORT_ERROR)
    try:
        with chamois.Client(**_arguments(module.params)) as client:
            module.exit_json(**settle(thing(client, module), module.check_mode))
    except errors.ConfigError as problem:
        module.fail_json(msg=str(problem))
    except errors.Error as problem:
        module.fail_json(
            msg=str(problem),
            reason=problem.reason,
            fields=[{"field": each.field, "description": each.description} for each in problem.fields],
            safe_to_retry=problem.safe_to_retry,
        )


def settle(thing, check_mode):
    """Steps until there is what is wanted; what a module answers."""
    first = before = thing.read()
    last = None
    for _ in range(ROUNDS_MAX):
        after = thing.wanted(before)
        if before == after:
            return _result(first, before)
        try:
            thing.change(before, after, (chamois.VALIDATE_ONLY,) if check_mode else ())
        except (errors.RevisionMismatch, errors.AlreadyExists, errors.NotFound) as problem:
            meanwhile = thing.read()
            if meanwhile == before:
                raise  # nobody else: the cluster does not take it
            # What somebody else has done is not this task's change.
            first = before = meanwhile
            last = problem
            continue
        if check_mode:
            return _result(first, after)
        last = None
        before = thing.read()
    if last is not None:
        raise last
    raise errors.ConfigError(f"the cluster keeps {before} where {thing.wanted(before)} is wanted")


def _result(before, after):
    return {"changed": before != after, "object": after, "diff": {"before": before or {}, "after": after or {}}}


def _arguments(params):
    """Options come before the environment; credentials of the one are not mixed with those of the other."""
    named = {
        "token": "CHAMOIS_TOKEN",
        "token_file": "CHAMOIS_TOKEN_FILE",
        "client_certificate": "CHAMOIS_CLIENT_CERTIFICATE",
    }
    environment = dict(os.environ)
    if any(params[option] for option in named):
        for option, variable in named.items():
            environment[variable] = params[option] or ""
    environment["CHAMOIS_ENDPOINTS"] = ",".join(params["endpoints"] or []) or os.environ.get("CHAMOIS_ENDPOINTS", "")
    environment["CHAMOIS_CA"] = params["ca"] or os.environ.get("CHAMOIS_CA", "")
    arguments = chamois.from_env(environment)
    if params["client_key"]:
        arguments["key_file"] = params["client_key"]
    return arguments


def names(enum):
    """The names of an enum's values as HSM has them, without the absent one."""
    return [_name(value) for value in enum.DESCRIPTOR.values if value.number]


def number_of(enum, name):
    return next((value.number for value in enum.DESCRIPTOR.values if _name(value) == name), 0)


def name_of(enum, number):
    return _name(enum.DESCRIPTOR.values_by_number[number]) if number else None


def _name(value):
    return value.GetOptions().Extensions[http_pb2.legacy_name]
