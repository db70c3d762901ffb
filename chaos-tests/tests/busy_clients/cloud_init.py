"""How cloud-init's own code (the package that lies in argv[1]) asks a server that is busy.

argv[2] is the server, argv[3] and argv[4] how often it is busy (a few times, many times), argv[5] a server that is not there.
Prints one line of JSON: for each run every HTTP attempt in its order, the pauses that cloud-init wanted to make, and
whether it got what it asked for. No pause is made: they are taken down instead.
"""

import json
import sys
import time

package, server, few, many, nobody = sys.argv[1:6]
sys.path.insert(0, package)

from requests.adapters import HTTPAdapter  # noqa: E402

from cloudinit import url_helper, util, version  # noqa: E402

attempts, pauses = [], []


class Clock:
    """The module `time` with pauses that are only noted."""

    def __getattr__(self, name):
        return getattr(time, name)

    @staticmethod
    def sleep(seconds):
        pauses.append(seconds)


url_helper.time = Clock()
plain_send = HTTPAdapter.send


def noted_send(self, request, **kwargs):
    try:
        response = plain_send(self, request, **kwargs)
    except Exception as error:
        attempts.append(f"{request.method} {request.path_url} {type(error).__name__}")
        raise
    attempts.append(f"{request.method} {request.path_url} {response.status_code}")
    return response


HTTPAdapter.send = noted_send


def run(fetch, url):
    """One fetch, from its first attempt to its end."""
    attempts.clear()
    pauses.clear()
    try:
        fetch(url)
        served = True
    except url_helper.UrlError:
        served = False
    return {"served": served, "attempts": list(attempts), "pauses": list(pauses)}


def document(base):
    """As NoCloud reads one of its documents."""
    url_helper.read_file_or_url(base + "meta-data", timeout=5, retries=10)


def phone_home(base):
    """As the module phone_home posts, by its defaults."""
    url_helper.read_file_or_url(base + "phone-home", data={"instance_id": "i-1"}, retries=9, sec_between=3)


def paths(*counts):
    return [f"/{busy}/{count}/" for busy in ("told", "alone") for count in counts]


measured = {"version": version.version_string()}
for what, fetch in (("documents", document), ("phone-home", phone_home)):
    measured[what] = {path: run(fetch, server + path) for path in paths(few, many)}
    measured[what]["refused"] = run(fetch, nobody + "/")
# the server has answered the few already: another name below the same count
measured["in order"] = {
    path: run(lambda url: util.read_seeded(url), server + path.rstrip("/") + "/seed/") for path in paths(few)
}
json.dump(measured, sys.stdout)
