"""Twilio's own helper library starts executions of a Studio flow at the daemon.

PyPI's `twilio` posts appointment events as an interface engine of the reference system does, reads the
execution that comes back, and is refused as Twilio refuses. Everybody in it is invented.

Usage: studio.py APPOINTD
"""

import subprocess
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.rest import Client

from loop import ACCOUNT, PRACTICE, TOKEN, WITHIN, check, free_port, query, wait_until_ready

API = "https://studio.twilio.com"
FLOW = "FW" + "0" * 31 + "1"
JANE = "+14155550123"


class Here(TwilioHttpClient):
    """Sends what is for Studio to the daemon."""

    def __init__(self, base):
        super().__init__(timeout=WITHIN)
        self.base = base

    def request(self, method, url, *args, **kwargs):
        assert url.startswith(API + "/"), url
        return super().request(method, self.base + url.removeprefix(API), *args, **kwargs)


def settings(folder, http):
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "appointd.toml").write_text(f"""
[practice]
time_zone = "America/Los_Angeles"
[store]
path = "store"
[http]
listen = "127.0.0.1:{http}"
[[json.source]]
name = "engine"
flow_sid = "{FLOW}"
account_sid = "{ACCOUNT}"
auth_token_file = "token"
[sms]
backend = "file"
""")
    return folder / "appointd.toml"


def event(kind, **more):
    now = datetime.now(timezone.utc)
    start = (now + timedelta(days=9)).replace(hour=9, minute=30)
    return {
        "event_type": kind,
        "event_datetime_utc": now.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "patient_id": "MRN1000",
        "patient_first_name": "Jane",
        "patient_last_name": "Doe",
        "patient_phone": JANE,
        "provider_id": "1234",
        "provider_first_name": "Frances",
        "provider_last_name": "Diaz",
        "provider_callback_phone": PRACTICE,
        "appointment_location": "12 Elm St, Suite 3",
        "appointment_id": "10001",
        "appointment_timezone": "-0700",
        "appointment_datetime": start.strftime("%Y-%m-%dT%H:%M:00.000Z"),
    } | more


def refused(post, status, code, what):
    try:
        post()
    except TwilioRestException as refusal:
        check((refusal.status, refusal.code) == (status, code), what, str(refusal))
    else:
        raise AssertionError(what)


def play(appointd, config, http):
    base = f"http://127.0.0.1:{http}"
    engine = Client(ACCOUNT, TOKEN, http_client=Here(base))
    executions = engine.studio.v2.flows(FLOW).executions
    booked = event("BOOKED")
    first = executions.create(to=JANE, from_=PRACTICE, parameters=booked)
    is_whole = first.sid.startswith("FN") and first.flow_sid == FLOW and first.account_sid == ACCOUNT
    check(is_whole and first.status == "active", "an event is an execution", first.sid)
    check(first.contact_channel_address == JANE and first.date_created, "it says for whom, and when")
    again = executions.create(to=JANE, from_=PRACTICE, parameters=booked)
    check(again.sid == first.sid, "the same event is the same execution", again.sid)
    rows = query(appointd, config, "appointments")
    check(len(rows) == 1 and rows[0]["status"] == "booked", "the appointment is booked", rows)
    for field, value in [("event_type", "MOVED"), ("appointment_datetime", "soon")]:
        wrong = event("BOOKED", **{field: value})
        post = lambda: executions.create(to=JANE, from_=PRACTICE, parameters=wrong)
        refused(post, 400, 20001, f"a wrong {field} is refused")
    other = engine.studio.v2.flows("FW" + "9" * 32).executions
    post = lambda: other.create(to=JANE, from_=PRACTICE, parameters=booked)
    refused(post, 404, 20404, "another flow is not known")
    stranger = Client(ACCOUNT, "guess", http_client=Here(base)).studio.v2.flows(FLOW).executions
    post = lambda: stranger.create(to=JANE, from_=PRACTICE, parameters=booked)
    refused(post, 401, 20003, "a wrong token is refused")


def main():
    [_, appointd] = sys.argv
    with tempfile.TemporaryDirectory() as folder:
        http = free_port()
        config = settings(Path(folder), http)
        daemon = subprocess.Popen([appointd, "run", "--config", config], stderr=subprocess.DEVNULL)
        try:
            wait_until_ready(http, daemon)
            play(appointd, config, http)
        finally:
            daemon.terminate()
            daemon.wait(WITHIN)
    print("ok: Studio's callers")


main()
