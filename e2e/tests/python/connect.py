"""The streams of the Python client, and a protocol that the server does not know, byte by byte."""

import os
import socket
import ssl

from kubernetes import client, config
from kubernetes.stream import portforward, stream

config.load_kube_config()
core = client.CoreV1Api()

said = stream(core.connect_get_namespaced_pod_exec, "web", "default", container="main", command=["echo", "hi"],
              stdout=True, stderr=True, stdin=False, tty=False)
assert said == "hi\n", said

process = stream(core.connect_get_namespaced_pod_exec, "web", "default", container="main", command=["fail", "7"],
                 stdout=True, stderr=True, stdin=True, tty=False, _preload_content=False)
process.run_forever(timeout=30)
assert (process.read_stderr(), process.returncode) == ("no\n", 7)

log = core.read_namespaced_pod_log("web", "default", container="main", tail_lines=1)
assert log == '/containerLogs/default/web/main [("tailLines", "1")]\n', log

forwarded = portforward(core.connect_get_namespaced_pod_portforward, "web", "default", ports="80,81")
for port in (80, 81):
    connection = forwarded.socket(port)
    connection.setblocking(True)
    connection.settimeout(30)
    connection.sendall(f"port {port}".encode())
    assert connection.recv(100) == f"PORT {port}".encode()

# What goes on in another protocol is carried as it is, both ways, until one side ends it.
settings = client.Configuration.get_default_copy()
host, port = settings.host.removeprefix("https://").rsplit(":", 1)
context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
context.load_cert_chain(settings.cert_file, settings.key_file)
with context.wrap_socket(socket.create_connection((host, int(port)), timeout=30), server_hostname=host) as connection:
    request = (
        "POST /api/v1/namespaces/default/pods/web/portforward HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
        "Connection: Upgrade\r\nUpgrade: SPDY/3.1\r\nX-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\n"
    )
    # The first bytes do not wait for the answer.
    connection.sendall(request.encode() + b"early ")
    received = b""
    while not received.endswith(b"EARLY "):
        received += connection.recv(4096)
    assert received.startswith(b"HTTP/1.1 101 "), received
    assert b"x-stream-protocol-version: v4.channel.k8s.io\r\n" in received.lower(), received
    sent = os.urandom(100_000).hex().encode()
    connection.sendall(sent)
    received = b""
    while len(received) < len(sent):
        received += connection.recv(65536)
    assert received == sent.upper()

print("ok")
