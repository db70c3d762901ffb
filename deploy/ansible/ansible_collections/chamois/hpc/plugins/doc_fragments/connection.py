"""The options that all modules share."""


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  endpoints:
    description: gRPC API of the members, C(host:port). Default is E(CHAMOIS_ENDPOINTS).
    type: list
    elements: str
  ca:
    description: File of the cluster's CA. Default is E(CHAMOIS_CA).
    type: path
  token:
    description: A bearer token. Default is E(CHAMOIS_TOKEN).
    type: str
  token_file:
    description: File with a bearer token. Default is E(CHAMOIS_TOKEN_FILE).
    type: path
  client_certificate:
    description: Certificate to show instead of a token. Default is E(CHAMOIS_CLIENT_CERTIFICATE).
    type: path
  client_key:
    description: Its key. Default is the file beside it with the ending C(.key).
    type: path
requirements:
  - chamois (Python package, C(pip install ./proto/sdk/python))
"""
