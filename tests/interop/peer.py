"""A FHIR server that nobody here wrote, and what stands between it and the daemon.

The server is Medplum's router over a repository in memory. A relay passes HTTP on, keeps what it has
seen, and lets a script meddle: lose a request, change a resource just before somebody else does.
"""

import http.client
import json
import platform
import subprocess
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from loop import WITHIN, free_port

PATH = "/fhir/R4"
FHIR = "application/fhir+json"
# Headers that are about one connection and not about the message (RFC 9110, 7.6.1).
OF_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length"}
EVERY = 0.05


def until(asked, what, found=lambda: ""):
    """Asks until the answer is yes, and fails when that takes too long; returns the answer."""
    end = time.monotonic() + WITHIN
    while True:
        answer = asked()
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"in {WITHIN} s it was not seen that {what}: {found()!r}")
        time.sleep(EVERY)


class Peer:
    """The server."""

    def __init__(self, folder, log):
        packed = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), "")
        node = Path(folder) / f"node_modules/node-linux-{packed}/bin/node"
        self.node = str(node) if node.exists() else "node"
        self.folder = folder
        self.port = free_port()
        self.log = open(log, "wb")
        self.process = None

    def __enter__(self):
        asked = [self.node, "server.mjs", str(self.port)]
        self.process = subprocess.Popen(
            asked, cwd=self.folder, stdout=self.log, stderr=subprocess.STDOUT
        )
        try:
            until(self.is_up, "the FHIR server is there")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.log.close()

    def is_up(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the FHIR server has ended with {self.process.returncode}")
        try:
            return self.ask("GET", "metadata")[0] == 200
        except urllib.error.URLError:
            return False

    def ask(self, method, target, resource=None):
        body = None if resource is None else json.dumps(resource).encode()
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{PATH}/{target}", body, {"Content-Type": FHIR}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=WITHIN) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as refusal:
            return refusal.code, json.load(refusal)

    def need(self, method, target, resource=None):
        status, answer = self.ask(method, target, resource)
        assert status in (200, 201), (method, target, status, answer)
        return answer

    def create(self, resource):
        return self.need("POST", resource["resourceType"], resource)["id"]

    def read(self, target):
        return self.need("GET", target)

    def change(self, target, **fields):
        """Sets fields of a resource, as somebody at the practice does."""
        resource = self.read(target)
        resource.update(fields)
        return self.need("PUT", target, resource)

    def all(self, kind):
        found = self.need("GET", f"{kind}?_count=1000").get("entry", [])
        return [entry["resource"] for entry in found]


class Exchange:
    """A request that passed, and how it was answered."""

    def __init__(self, handler, body):
        self.method, self.path, self.body = handler.command, handler.path, body
        self.headers = {name.lower(): value for name, value in handler.headers.items()}
        self.status, self.answer = None, b""

    def json(self):
        return json.loads(self.body)


class Relay:
    """Passes HTTP on to a port of this machine.

    `meddle` is called with each request before it is passed on; if it returns a status, that is the
    answer, and the request is lost. Addresses of `disguised` in answers become the relay's own, as
    with any gateway in front of a server.
    """

    def __init__(self, target, disguised=None):
        self.target, self.disguised = target, disguised
        self.seen = []
        self.meddle = lambda exchange: None
        relay = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def pass_on(self):
                body = self.rfile.read(int(self.headers["Content-Length"] or 0))
                exchange = Exchange(self, body)
                lost = relay.meddle(exchange)
                status, headers, answer = (lost, [], b"") if lost else relay.ask(exchange)
                exchange.status, exchange.answer = status, answer
                relay.seen.append(exchange)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = pass_on

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.port = server.server_address[1]

    def ask(self, exchange):
        """The answer of the one behind."""
        passed = {
            name: value for name, value in exchange.headers.items() if name not in OF_CONNECTION
        }
        connection = http.client.HTTPConnection("127.0.0.1", self.target, timeout=WITHIN)
        try:
            connection.request(exchange.method, exchange.path, exchange.body or None, passed)
            answer = connection.getresponse()
            body = answer.read()
        except OSError:
            return 502, [], b""
        finally:
            connection.close()
        headers = [pair for pair in answer.getheaders() if pair[0].lower() not in OF_CONNECTION]
        if self.disguised:
            before, after = f"127.0.0.1:{self.disguised}", f"127.0.0.1:{self.port}"
            body = body.replace(before.encode(), after.encode())
            headers = [(name, value.replace(before, after)) for name, value in headers]
        return answer.status, headers, body

    def found(self, method, part, among=None):
        """The exchanges of a method whose path holds a part."""
        among = self.seen if among is None else among
        return [one for one in list(among) if one.method == method and part in one.path]
