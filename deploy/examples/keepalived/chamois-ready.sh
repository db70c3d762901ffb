#!/bin/sh
# Exit code 0 if this host's member may be sent nodes now. keepalived runs it: chamois-ready.sh ADDRESS ROLE
#   ADDRESS  the host of `api.https-listen`; ROLE  boot, dhcp or tftp
# The question holds no secret and its answer decides only about this host, so the certificate is not checked.
# curl's own limit is shorter than keepalived's, so that a member that hangs gives a clean "no".
exec curl --silent --show-error --fail --insecure --max-time 1 --output /dev/null "https://$1:8443/readyz?role=$2"
