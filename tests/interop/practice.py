"""A practice whose appointments a foreign FHIR server holds: its visits, a daemon, the phones of its
patients, and what is asked of them all. Everybody in it is invented.
"""

import contextlib
import json
import queue
import re
import subprocess
import sys
from collections import Counter, defaultdict
from datetime import datetime, timedelta, timezone

from twilio.request_validator import RequestValidator

from loop import (
    ACCOUNT, PRACTICE, TOKEN, WITHIN, Twilio, check, free_port, post, query, wait_until_ready,
)
from peer import PATH, Relay, until

HOOK = "hook-of-the-stand-in-0001"
SIGNING = "signing-of-the-stand-in-1"
# Once, so that midnight does not come between two starts.
TODAY = datetime.now(timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)


def times(days=7, hour=20, minute=0):
    """Start and end in UTC; the practice in Phoenix is seven hours behind all year."""
    start = TODAY + timedelta(days=days, hours=hour, minutes=minute)
    end = start + timedelta(minutes=30)
    return {"start": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end": f"{end:%Y-%m-%dT%H:%M:%SZ}"}


MOVED = times(days=9, hour=21, minute=30)


class Visit:
    """An appointment at the server, its patient, and the texts that the patient should have."""

    count = 0

    def __init__(self, peer, given, place, status="booked"):
        Visit.count += 1
        self.peer, self.number = peer, Visit.count
        self.phone = f"+1415555{100 + self.number:04}"
        self.patient = peer.create({
            "resourceType": "Patient",
            "identifier": [{
                "type": {"coding": [{
                    "system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR",
                }]},
                "system": "urn:oid:2.16.840.1.113883.19.1", "value": f"MRN-{self.number}",
            }],
            "name": [{"use": "official", "family": "Doe", "given": [given]}],
            "telecom": [
                {"system": "email", "value": "doe@example.org"},
                {"system": "phone", "use": "mobile", "value": f"(415) 555-{100 + self.number:04}"},
            ],
            "birthDate": "1980-01-01",
        })
        self.id = peer.create({
            "resourceType": "Appointment",
            # What is not ours to change has to survive.
            "extension": [{"url": "https://owl.example.org/chair", "valueString": "2"}],
            "status": status, "description": "Check-up", **times(),
            "participant": [
                {"actor": {"reference": f"Location/{place}"}, "status": "accepted"},
                {"actor": {"reference": f"Patient/{self.patient}"}, "status": "needs-action"},
            ],
        })
        self.target = f"Appointment/{self.id}"
        self.texts = []

    def now(self):
        return self.peer.read(self.target)

    def change(self, **fields):
        return self.peer.change(self.target, **fields)

    def move(self):
        return self.change(**MOVED)

    def participation(self):
        return self.now()["participant"][1]["status"]


class Play:
    """A daemon, the phones of its patients, and relays to the server and back."""

    def __init__(self, appointd, folder, peer):
        self.appointd, self.folder, self.peer = appointd, folder, peer
        self.http = free_port()
        self.hooks = Relay(self.http)
        self.config = folder / "appointd.toml"
        self.log = folder / "daemon.log"
        self.daemon = None
        self.received = defaultdict(list)
        self.replies = 0
        self.visits = []
        self.place = peer.create({"resourceType": "Location", "name": "Owl Clinic East"})

    def configure(self, servers, twilio):
        (self.folder / "appointd.toml").write_text(f"""
[practice]
name = "Owl Clinic"
callback_phone = "{PRACTICE}"
time_zone = "America/Phoenix"
[store]
path = "store"
[http]
listen = "127.0.0.1:{self.http}"
public_url = "http://127.0.0.1:{self.hooks.port}"
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
[notifications]
cancel_hold = "1s"
[log]
level = "trace"
{servers}""")
        for name, secret in [("token", TOKEN), ("hook", HOOK), ("signing", SIGNING)]:
            (self.folder / name).write_text(secret + "\n")
        self.run("check")

    def run(self, *command):
        asked = [self.appointd, *command, "--config", self.config]
        return subprocess.run(asked, check=True, capture_output=True, text=True).stdout

    def start(self):
        with open(self.log, "ab") as log:
            asked = [self.appointd, "run", "--config", self.config]
            self.daemon = subprocess.Popen(asked, stdout=log, stderr=subprocess.STDOUT)
        check(wait_until_ready(self.http, self.daemon)["ready"], "the daemon is ready")

    def stop(self):
        self.daemon.terminate()
        check(self.daemon.wait(WITHIN) == 0, "the daemon ends with 0")

    @contextlib.contextmanager
    def running(self):
        try:
            self.start()
            yield
            self.stop()
        except BaseException:
            sys.stdout.flush()
            lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
            lines = [line for line in lines if "appointd::" in line]
            print("\n".join(["-- the daemon's log ends:", *lines[-60:]]), file=sys.stderr)
            raise
        finally:
            if self.daemon and self.daemon.poll() is None:
                self.daemon.kill()
                self.daemon.wait()

    def visit(self, given="Jane", **more):
        visit = Visit(self.peer, given, more.pop("place", self.place), **more)
        self.visits.append(visit)
        return visit

    def sent_to(self, phone):
        while True:
            try:
                form = Twilio.texts.get_nowait()
            except queue.Empty:
                return self.received[phone]
            self.received[form["To"]].append(form["Body"])

    def told(self, visit, *parts):
        """A text to the patient holds this that was not seen before; texts leave in any order."""
        def news():
            rest = Counter(self.sent_to(visit.phone)) - Counter(visit.texts)
            return [text for text in rest.elements() if all(part in text for part in parts)]

        what = f"{visit.target} is told of: {parts}"
        found = until(news, what, lambda: self.sent_to(visit.phone))
        visit.texts.append(found[0])

    def booked(self, *args, **more):
        visit = self.visit(*args, **more)
        self.told(visit, "appointment on", "at 1:00 PM", "Reply C")
        return visit

    def row(self, visit):
        rows = query(self.appointd, self.config, "appointments", "--appointment", visit.id)
        return rows[0] if rows else {}

    def becomes(self, visit, status):
        """The daemon's own state of an appointment."""
        what = f"{visit.target} is {status}"
        until(lambda: self.row(visit).get("status") == status, what, lambda: self.row(visit))

    def wish(self, visit, state):
        def is_so():
            found = (self.row(visit).get("wish") or {}).get("state")
            return state in (found if isinstance(found, dict) else [found])

        what = f"the wish about {visit.target} is {state}"
        until(is_so, what, lambda: self.row(visit).get("wish"))

    def reply(self, visit, body):
        self.replies += 1
        url = f"http://127.0.0.1:{self.hooks.port}/twilio/inbound"
        sid = f"SM{self.replies:032x}"
        form = {
            "MessageSid": sid, "SmsSid": sid, "AccountSid": ACCOUNT, "From": visit.phone,
            "To": PRACTICE, "Body": body, "NumMedia": "0", "NumSegments": "1",
            "ApiVersion": "2010-04-01",
        }
        status, answer = post(url, form, RequestValidator(TOKEN).compute_signature(url, form))
        assert status == 200, (status, answer)
        self.told(visit, "coming" if body == "C" else "can't come")

    def server(self, name):
        rows = query(self.appointd, self.config, "servers")
        return next((row for row in rows if row["server"] == name), {})

    def judge_end(self, tasks=()):
        """Everything that was to be done is done, and nobody was told anything else; staff has to
        look at these visits.
        """
        def waiting():
            rows = query(self.appointd, self.config, "outbox")
            return [row for row in rows if row["state"] in ("ready", "sending", "in_doubt")]

        until(lambda: not waiting(), "nothing waits in the outbox", waiting)
        for visit in self.visits:
            found = self.sent_to(visit.phone)
            assert sorted(found) == sorted(visit.texts), (visit.target, visit.texts, found)
        check(True, f"{len(self.visits)} patients were told each thing once")
        rows = query(self.appointd, self.config, "quarantine")
        check(rows == [], "nothing is in the quarantine", rows)
        rows = query(self.appointd, self.config, "tasks")
        found = [(row["kind"], row["appointment"].split("/")[1]) for row in rows]
        expected = [("write_back_failed", visit.id) for visit in tasks]
        check(found == expected, f"staff has {len(expected)} tasks", rows)

    def judge_log(self):
        text = self.log.read_text(errors="replace")
        check(text.count("\n") > 9, "the daemon's log was kept", text)
        words = ["Jane", "John", "Doe", "doe@", "1980-01-01", "MRN-"]
        found = [word for word in words if re.search(rf"\b{re.escape(word)}", text)]
        found += re.findall(r"415\D{0,2}555\D?01\d\d", text)
        found += [visit.patient for visit in self.visits if visit.patient in text]
        found += [secret for secret in (HOOK, SIGNING, TOKEN) if secret in text]
        lines = [line for line in text.splitlines() if any(word in line for word in found)]
        check(not found, "no patient and no secret is in the daemon's log", (found[:9], lines[:9]))


def section(name, relay, **keys):
    """The settings of a FHIR server."""
    lines = [f"{key} = {json.dumps(value)}" for key, value in keys.items()]
    return "\n".join([
        "[[fhir.server]]",
        f'name = "{name}"',
        f'base_url = "http://127.0.0.1:{relay.port}{PATH}"',
        "requests_per_second = 200",
        *lines,
    ]) + "\n"


NOTIFY = """[fhir.server.notify]
secret_file = "hook"
hmac_secret_file = "signing"
"""


def meddle(relay, visit, **fields):
    """Changes an appointment just before the next change of ours arrives."""
    def once(exchange):
        if exchange.method in ("PATCH", "PUT") and visit.target in exchange.path:
            relay.meddle = lambda exchange: None
            visit.change(**fields)

    relay.meddle = once


def answers(relay, visit, method="PATCH"):
    return [exchange.status for exchange in relay.found(method, visit.target)]
