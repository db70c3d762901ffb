"""One boot of cloud-init's NoCloud, by the code of the package that lies in argv[1].

Fetches the documents below argv[2] from the address argv[3] (the node's own), merges vendor-data as cloud-init
does, and prints one line of JSON: every HTTP attempt in its order, what the documents say, the merged cloud-config.
With argv[4] == "network-config" that document is asked for first, as cloud-init does since 23.1.
"""

import json
import logging
import sys
import tempfile
import time

package, base, own_address, first = sys.argv[1:5]
sys.path.insert(0, package)

from requests.adapters import HTTPAdapter  # noqa: E402

from cloudinit import handlers, helpers, url_helper, util, version  # noqa: E402
from cloudinit.handlers.cloud_config import CloudConfigPartHandler  # noqa: E402
from cloudinit.handlers.jinja_template import render_jinja_payload  # noqa: E402
from cloudinit.user_data import UserDataProcessor  # noqa: E402

attempts, complaints = [], []


class Complaints(logging.Handler):
    """What cloud-init warns of."""

    def emit(self, record):
        complaints.append(record.getMessage())


logging.getLogger().addHandler(Complaints(level=logging.WARNING))

# The node is known by its address: connections leave from it. Every attempt, a repeat too, passes here.
plain_pool, plain_send = HTTPAdapter.init_poolmanager, HTTPAdapter.send


def pool_of_the_node(self, *args, **kwargs):
    plain_pool(self, *args, source_address=(own_address, 0), **kwargs)


def counted_send(self, request, **kwargs):
    response = plain_send(self, request, **kwargs)
    attempts.append(f"{request.method} {request.path_url} {response.status_code}")
    return response


HTTPAdapter.init_poolmanager, HTTPAdapter.send = pool_of_the_node, counted_send


class DataSource:
    """As much of a data source as paths need."""

    def __init__(self, instance_id):
        self.instance_id = instance_id

    def get_instance_id(self):
        return self.instance_id


def merged(vendor_data, meta_data, directory):
    """vendor-data with all that it includes, rendered and merged."""
    paths = helpers.Paths({"cloud_dir": directory, "run_dir": directory}, DataSource(meta_data["instance-id"]))
    handler = CloudConfigPartHandler(paths)
    handler.handle_part(None, handlers.CONTENT_START, None, None, None, None)
    for part in UserDataProcessor(paths).process(vendor_data).walk():
        if part.get_content_maintype() == "multipart":
            continue
        payload = util.fully_decoded_payload(part)
        if part.get_content_type() == "text/jinja2":
            payload = render_jinja_payload(payload, "part", {"ds": {"meta_data": meta_data}})
        handler.handle_part(None, part.get_content_type(), "part", payload, None, dict(part))
    return handler.cloud_buf


started = time.monotonic()
network_config = None
if first == "network-config":
    response = url_helper.read_file_or_url(base + "network-config", timeout=5, retries=10, sec_between=1)
    network_config = util.load_yaml(response.contents)
meta_data, user_data, vendor_data = util.read_seeded(base)
fetched = time.monotonic() - started
documents = list(attempts)
with tempfile.TemporaryDirectory() as scratch:
    cloud_config = merged(vendor_data, meta_data, scratch)

json.dump(
    {
        "version": version.version_string(),
        "documents": documents,
        "included": attempts[len(documents):],
        "seconds": round(fetched, 3),
        "network_config": network_config,
        "meta_data": meta_data,
        "user_data": util.decode_binary(user_data),
        "cloud_config": cloud_config,
        "complaints": complaints,
    },
    sys.stdout,
)
