"""The whole loop between programs that nobody here wrote.

PyPI's `mllp_send` and `hl7.client`, and npm's `node-hl7-client`, send appointments; a stand-in of
Twilio's REST interface takes the texts; a reply comes back under the signature of PyPI's `twilio`;
the write-back goes to an MLLP server of PyPI's `hl7`. Everybody in it is invented.

Usage: loop.py APPOINTD FOLDER_WITH_NODE_MODULES
"""

import asyncio
import json
import os
import queue
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import hl7
import hl7.mllp
from hl7.client import MLLPClient
from twilio.request_validator import RequestValidator

HERE = Path(__file__).resolve().parent
WITHIN = 60
ACCOUNT = "AC" + "0" * 32
TOKEN = "token-of-the-stand-in"
PRACTICE = "+15105550100"


PORTS_GIVEN = set()


def free_port():
    """A port that is free, and was not given out before: nobody may have bound that yet."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        if port not in PORTS_GIVEN:
            PORTS_GIVEN.add(port)
            return port


def check(is_so, what, found=""):
    if not is_so:
        raise AssertionError(f"{what}: {found!r}")
    print(f"  ok: {what}")


class Twilio(BaseHTTPRequestHandler):
    """Takes what is to be sent, as POST /2010-04-01/Accounts/{sid}/Messages.json does."""

    texts = queue.Queue()
    count = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(body, strict_parsing=True))
        Twilio.count += 1
        form["sid"] = f"SM{Twilio.count:032x}"
        form["path"] = self.path
        form["authorized"] = self.headers["Authorization"] or ""
        answer = json.dumps({
            "sid": form["sid"], "account_sid": ACCOUNT, "status": "queued", "to": form["To"],
            "from": form.get("From"), "body": form["Body"], "direction": "outbound-api",
            "num_segments": "1", "num_media": "0", "error_code": None, "error_message": None,
            "messaging_service_sid": None, "api_version": "2010-04-01",
            "date_created": time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime()),
        }).encode()
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)
        Twilio.texts.put(form)

    def log_message(self, *_):
        pass


def start_twilio():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Twilio)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_address[1]


def start_ehr(port, received):
    """An MLLP server of PyPI's hl7, in a thread of its own."""

    async def take(reader, writer):
        while not writer.is_closing():
            try:
                block = await reader.readblock()
            except asyncio.IncompleteReadError:
                break
            message = hl7.parse(block.decode("utf-8"))
            writer.writeblock(str(message.create_ack("AA")).encode("utf-8"))
            await writer.drain()
            received.put((block.decode("utf-8"), message))
        writer.close()

    async def serve(is_bound):
        server = await hl7.mllp.start_hl7_server(take, "127.0.0.1", port)
        is_bound.set()
        async with server:
            await server.serve_forever()

    is_bound = threading.Event()
    threading.Thread(target=lambda: asyncio.run(serve(is_bound)), daemon=True).start()
    check(is_bound.wait(WITHIN), "the EHR's port is bound")


def siu(control_id, filler, given, family, phone, day, acks="|"):
    now = datetime.now(timezone.utc)
    start = (now + timedelta(days=day)).replace(hour=20, minute=0, second=0)
    end = start + timedelta(minutes=30)
    stamp = "%Y%m%d%H%M%S+0000"
    return "\r".join([
        f"MSH|^~\\&|EHR|OWL|APPOINTD|HUB|{now.strftime(stamp)}||SIU^S12^SIU_S12|{control_id}|P|2.5.1|||{acks}||UNICODE UTF-8",
        f"SCH|P-{filler}^PLACER\\T\\CO|{filler}^OWL^2.16.840.1.113883.19^ISO|||||CHECKUP^Check-up|NORMAL|30|MIN|^^^{start.strftime(stamp)}^{end.strftime(stamp)}||||||||||||||Booked",
        f"PID|1||MRN-{filler}^^^OWL&2.16.840.1.113883.19.1&ISO^MR||{family}^{given}^^^^^L||19800101|F|||12 Elm St^^Oakland^CA||{phone}^PRN^CP||eng^English^ISO639",
        "PV1|1|O",
        "RGS|1|A",
        "AIS|1|A|CHECKUP^Check-up",
        "AIL|1|A|EAST^^^OWL",
        "AIP|1|A|1234^Díaz^Frances^^^Dr.",
        f"ZOW|1|kept\\F\\as it is|{filler}",
    ]) + "\r"


def settings(folder, http, feed, ehr, twilio):
    text = f"""
[practice]
name = "Owl Clinic"
callback_phone = "{PRACTICE}"
time_zone = "America/Los_Angeles"
[[locations]]
code = "EAST"
name = "Owl Clinic East"
[store]
path = "store"
[http]
listen = "127.0.0.1:{http}"
public_url = "http://127.0.0.1:{http}"
[[hl7.listener]]
name = "main-ehr"
listen = "127.0.0.1:{feed}"
[[hl7.destination]]
name = "main-ehr"
address = "127.0.0.1:{ehr}"
[[route]]
source = "main-ehr"
destination = "main-ehr"
[twilio]
account_sid = "{ACCOUNT}"
auth_token_file = "token"
from = "{PRACTICE}"
base_url = "http://127.0.0.1:{twilio}"
poll_every = "off"
[sms]
backend = "twilio"
segments_per_second = 100
[reminders.window]
start = "00:00"
finish = "24:00"
"""
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "appointd.toml").write_text(text)
    return folder / "appointd.toml"


def wait_until_ready(port, daemon):
    until = time.monotonic() + WITHIN
    while time.monotonic() < until:
        if daemon.poll() is not None:
            raise AssertionError(f"the daemon has ended with {daemon.returncode}")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz") as answer:
                return json.load(answer)
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise AssertionError("the daemon is not ready in time")


def query(appointd, config, subject, *filters):
    asked = [appointd, "query", subject, *filters, "--format", "json", "--config", config]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    return [json.loads(line) for line in told.splitlines()]


def mllp_send(port, file, *options):
    tool = Path(sys.executable).parent / "mllp_send"
    asked = [tool, "--port", str(port), "--file", file, *options, "127.0.0.1"]
    told = subprocess.run(asked, check=True, capture_output=True, timeout=WITHIN).stdout
    frames = told.split(b"\x1c\r")
    return [hl7.parse(frame.strip(b"\x0b\n").decode()) for frame in frames if frame.strip(b"\n")]


def codes(answers):
    return [(str(answer["MSA"][0][1]), str(answer["MSA"][0][2])) for answer in answers]


def send_all(feed, folder, node):
    """Sends six appointments by three clients; returns the first message."""
    people = [("Jane", "Doe"), ("John", "Doe"), ("Ann", "Roe"), ("Zoë", "Roe"), ("Max", "Doe"), ("Eve", "Roe")]
    messages = [
        siu(
            f"INTEROP{n}", f"1000{n}", given, family, f"(415) 555-012{n}", 5 + n,
            acks="AL|NE" if n == 1 else "|",
        )
        for n, (given, family) in enumerate(people)
    ]
    loose = folder / "loose.hl7"
    loose.write_bytes("".join(messages[:2]).replace("\r", "\r\n").encode())
    found = codes(mllp_send(feed, loose, "--loose"))
    # The second asks for a receipt of its own kind (MSH-15).
    check(found == [("AA", "INTEROP0"), ("CA", "INTEROP1")], "mllp_send --loose", found)

    strict = folder / "strict.hl7"
    strict.write_bytes(b"".join(b"\x0b" + text.encode() + b"\x1c\r" for text in messages[2:4]))
    found = codes(mllp_send(feed, strict))
    check(found == [("AA", "INTEROP2"), ("AA", "INTEROP3")], "mllp_send, two frames", found)

    listed = folder / "messages.json"
    listed.write_text(json.dumps(messages[4:]))
    # Modules are looked for beside the script.
    script = shutil.copy(HERE / "send.mjs", node)
    told = subprocess.run(
        ["node", script, str(feed), listed], check=True, capture_output=True, text=True, timeout=WITHIN
    )
    found = [tuple(answer) for answer in json.loads(told.stdout)]
    check(found == [("AA", "INTEROP4"), ("AA", "INTEROP5")], "node-hl7-client", found)
    return messages[0]


def send_what_is_wrong(feed, message):
    with MLLPClient("127.0.0.1", feed) as client:
        answer = hl7.parse(client.send_message(message).strip(b"\x0b\x1c\r").decode())
        check(codes([answer]) == [("AA", "INTEROP0")], "a repetition is accepted again")
        answer = hl7.parse(client.send_message("this is no message").strip(b"\x0b\x1c\r").decode())
        code = str(answer["MSA"][0][1])
        check(code in ("AA", "AE", "AR"), "what is no message is answered by the policy", code)
        answer = hl7.parse(client.send_message(message).strip(b"\x0b\x1c\r").decode())
        check(codes([answer]) == [("AA", "INTEROP0")], "and the connection goes on")


def text_to(phone):
    until = time.monotonic() + WITHIN
    while True:
        form = Twilio.texts.get(timeout=max(0.1, until - time.monotonic()))
        if form["To"] == phone:
            return form


def post(url, form, signature):
    request = urllib.request.Request(
        url, urllib.parse.urlencode(form).encode(), {"X-Twilio-Signature": signature}
    )
    try:
        with urllib.request.urlopen(request) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        return refusal.code, refusal.read().decode()


def reply(http, body):
    url = f"http://127.0.0.1:{http}/twilio/inbound"
    form = {
        "MessageSid": "SM" + "f" * 32, "SmsSid": "SM" + "f" * 32, "AccountSid": ACCOUNT,
        "From": "+14155550120", "To": PRACTICE, "Body": body, "NumMedia": "0", "NumSegments": "1",
        "FromCity": "", "ApiVersion": "2010-04-01",
    }
    wrong = RequestValidator("another token").compute_signature(url, form)
    check(post(url, form, wrong)[0] == 403, "a wrong signature is refused")
    right = RequestValidator(TOKEN).compute_signature(url, form)
    status, answer = post(url, form, right)
    check(status == 200 and "<Response" in answer, "the patient's reply is taken", (status, answer))


def judge_write_back(raw, message, first):
    sent = hl7.parse(first)
    header = message["MSH"][0]
    check(str(header[9]).startswith("SIU^S14"), "the write-back is SIU^S14", str(header[9]))
    control_id = str(header[10])
    check(len(control_id) == 20 and control_id != "INTEROP0", "control id of its own", control_id)
    ends = [str(header[n]) for n in (3, 4, 5, 6)]
    check(ends == ["APPOINTD", "HUB", "EHR", "OWL"], "sender and receiver are swapped", ends)
    segments = {line.split("|")[0]: line.split("|") for line in raw.split("\r") if line}
    before = {line.split("|")[0]: line.split("|") for line in first.split("\r") if line}
    for name, field in [("SCH", 1), ("SCH", 2), ("SCH", 11), ("PID", 3), ("PID", 5), ("AIP", 3)]:
        same = segments[name][field] == before[name][field]
        check(same, f"{name}-{field} comes back byte for byte", segments[name][field])
    check(segments["ZOW"] == before["ZOW"], "the Z-segment comes back", segments["ZOW"])
    status = segments["SCH"][25].split("^")[0].upper()
    check(status == "CONFIRMED", "SCH-25 says confirmed", segments["SCH"][25])
    check(str(sent["SCH"][0][25]) == "Booked", "which it did not say before")


def wait_for(appointd, config, wanted, what):
    until = time.monotonic() + WITHIN
    while True:
        rows = query(appointd, config, "appointments", "--appointment", "10000")
        if len(rows) == 1 and wanted(rows[0]) or time.monotonic() > until:
            check(len(rows) == 1 and wanted(rows[0]), what, rows)
            return
        time.sleep(0.1)


def reflect(feed, first):
    """The EHR says itself what it was told."""
    own = first.replace("SIU^S12", "SIU^S14").replace("INTEROP0", "INTEROP9").replace("Booked", "Confirmed")
    with MLLPClient("127.0.0.1", feed) as client:
        answer = hl7.parse(client.send_message(own).strip(b"\x0b\x1c\r").decode())
    check(codes([answer]) == [("AA", "INTEROP9")], "the EHR's own message is accepted")


def play(appointd, node, folder):
    http, feed, ehr = free_port(), free_port(), free_port()
    received = queue.Queue()
    start_ehr(ehr, received)
    config = settings(folder, http, feed, ehr, start_twilio())
    subprocess.run([appointd, "check", "--config", config], check=True, stdout=subprocess.DEVNULL)
    daemon = subprocess.Popen([appointd, "run", "--config", config])
    try:
        check(wait_until_ready(http, daemon)["ready"], "the daemon is ready")
        first = send_all(feed, folder, node)
        send_what_is_wrong(feed, first)
        rows = query(appointd, config, "appointments")
        keys = sorted(row["key"] for row in rows)
        check(keys == [f"main-ehr/1000{n}" for n in range(6)], "six appointments are known", keys)
        check(len(query(appointd, config, "quarantine")) == 1, "what is no message is kept")
        text = text_to("+14155550120")
        check("Owl Clinic" in text["Body"], "the booking is told", text["Body"])
        check(text["authorized"].startswith("Basic "), "with the account's credentials")
        reply(http, "C")
        raw, message = received.get(timeout=WITHIN)
        judge_write_back(raw, message, first)
        is_taken = lambda row: row["wish"]["state"] == {"acknowledged": "main-ehr"}
        wait_for(appointd, config, is_taken, "the wish is acknowledged by the EHR")
        reflect(feed, first)
        is_confirmed = lambda row: row["status"] == "confirmed"
        wait_for(appointd, config, is_confirmed, "the appointment is confirmed")
        check(received.empty(), "one write-back, no second")
        daemon.terminate()
        check(daemon.wait(WITHIN) == 0, "the daemon ends with 0")
    finally:
        if daemon.poll() is None:
            daemon.kill()


def main():
    appointd, node = os.path.abspath(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        play(appointd, node, Path(folder))
    print("interop: all ok")


if __name__ == "__main__":
    main()
