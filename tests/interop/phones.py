"""The stand-in of Twilio, driven by Twilio's own helper library.

PyPI's `twilio` creates, lists, fetches, redacts, cancels and deletes messages at `appointd simulate
phone`, is refused as Twilio refuses, and validates the signatures of the stand-in's webhooks.
Everybody in it is invented.

Usage: phones.py APPOINTD
"""

import json
import os
import queue
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from datetime import date, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from twilio.base.exceptions import TwilioRestException
from twilio.http.http_client import TwilioHttpClient
from twilio.request_validator import RequestValidator
from twilio.rest import Client

from loop import WITHIN, check

API = "https://api.twilio.com"
JANE, LANDLINE = "+14155550123", "+15005530006"


class Here(TwilioHttpClient):
    """Sends what is for Twilio to the stand-in."""

    def __init__(self, base):
        super().__init__(timeout=WITHIN)
        self.base = base

    def request(self, method, url, *args, **kwargs):
        assert url.startswith(API + "/"), url
        return super().request(method, self.base + url.removeprefix(API), *args, **kwargs)


class Hooks(BaseHTTPRequestHandler):
    """Takes webhooks; answers with what is queued, or else 204."""

    seen = queue.Queue()
    answers = queue.Queue()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        form = dict(urllib.parse.parse_qsl(body, keep_blank_values=True, strict_parsing=True))
        status = 204 if Hooks.answers.empty() else Hooks.answers.get()
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
        # Their names are known in any case.
        Hooks.seen.put((self.path, form, self.headers))

    def log_message(self, *_):
        pass


class Phones:
    """The stand-in in a process of its own."""

    def __init__(self, appointd, inbound):
        asked = [appointd, "simulate", "phone", "--format", "json", "--inbound", inbound]
        self.process = subprocess.Popen(asked, stdout=subprocess.PIPE, text=True)
        rows = [json.loads(self.process.stdout.readline()) for _ in range(6)]
        self.told = {row["name"]: row["value"] for row in rows}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(WITHIN)

    def post(self, url, value):
        request = urllib.request.Request(
            url, json.dumps(value).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=WITHIN) as answer:
            return json.load(answer)

    def turn(self, **knobs):
        return self.post(self.told["knobs"], knobs)

    def reply(self, phone, text):
        return self.post(f"{self.told['phones']}/{phone}/reply", {"text": text})


def refusal(make):
    try:
        make()
    except TwilioRestException as refused:
        return refused.status, refused.code
    return None


def until(asked, what):
    end = time.monotonic() + WITHIN
    while not asked():
        if time.monotonic() > end:
            raise AssertionError(f"not seen: {what}")
        time.sleep(0.05)


def messages(client, phones, hook):
    """Everything that the library does with messages."""
    ours = phones.told["number"]
    phones.turn(hold_deliveries=True)
    make = lambda to, body: client.messages.create(
        to=to, from_=ours, body=body, status_callback=hook + "/status?m=row-1&a=1"
    )
    first, second = make(JANE, "See you at 9"), make(JANE, "Never mind")
    check(first.status == "queued" and first.direction == "outbound-api", "a text is created", first.status)
    check(first.date_created is not None and first.num_segments == "1", "its date is read by the library")
    check(client.messages(second.sid).update(status="canceled").status == "canceled", "one is canceled")
    phones.turn(hold_deliveries=False)
    until(lambda: client.messages(first.sid).fetch().status == "delivered", "the delivery")
    check(client.messages(second.sid).fetch().status == "canceled", "which stays so")
    found = refusal(lambda: client.messages(first.sid).update(status="canceled"))
    check(found is not None and found[0] == 400, "what has been delivered cannot be canceled", found)
    for n in range(5):
        make(JANE, f"text {n}")
    listed = [text.body for text in client.messages.list(to=JANE, page_size=2)]
    check(len(listed) == 7 and listed[0] == "text 4", "the list comes page by page, newest first", listed)
    later = client.messages.list(date_sent_after=date.today() + timedelta(days=2))
    check(later == [], "the list is filtered by date", later)
    check(client.messages(first.sid).update(body="").body == "", "one is redacted")
    check(client.messages(first.sid).delete() is True, "one is deleted")
    found = refusal(lambda: client.messages(first.sid).fetch())
    check(found == (404, 20404), "and is gone", found)


def refusals(client, phones):
    ours = phones.told["number"]
    send = lambda to: client.messages.create(to=to, from_=ours, body="Hello")
    for to, code in [("+15005550001", 21211), ("+15005550009", 21614), ("+15005550004", 21610)]:
        found = refusal(lambda to=to: send(to))
        check(found == (400, code), f"{to} is refused with {code}", found)
    phones.turn(fail_next={"fault": {"accepted": False, "answer": "throttled"}})
    found = refusal(lambda: send(JANE))
    check(found == (429, 20429), "too many requests", found)
    sid = send(LANDLINE).sid
    until(lambda: client.messages(sid).fetch().status == "undelivered", "the failed delivery")
    check(client.messages(sid).fetch().error_code == 30006, "a landline fails by its number")


def webhooks(client, phones, hook):
    validator = RequestValidator(phones.told["auth_token"])
    is_signed = lambda path, form, headers: validator.validate(
        hook + path, form, headers["X-Twilio-Signature"]
    )
    while not Hooks.seen.empty():
        found = Hooks.seen.get()
        assert is_signed(*found), found
    for status in [503, 503]:
        Hooks.answers.put(status)
    replied = phones.reply(JANE, "C & í 👍")
    check(replied["http_status"] == 204 and replied["attempts"] == 3, "a reply is tried again", replied)
    tries = [Hooks.seen.get(timeout=WITHIN) for _ in range(3)]
    check(all(is_signed(*found) for found in tries), "its webhooks are signed")
    check(tries[0][1]["Body"] == "C & í 👍", "its words are whole", tries[0][1]["Body"])
    check(len({found[2]["I-Twilio-Idempotency-Token"] for found in tries}) == 1, "they have one token")
    phones.reply(JANE, "STOP")
    ours = phones.told["number"]
    found = refusal(lambda: client.messages.create(to=JANE, from_=ours, body="Hello"))
    check(found == (400, 21610), "after STOP the phone is blocked", found)
    phones.reply(JANE, "START")
    check(client.messages.create(to=JANE, from_=ours, body="Hello").sid, "after START it is free")


def main():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hooks)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    hook = f"http://127.0.0.1:{server.server_address[1]}"
    with Phones(os.path.abspath(sys.argv[1]), f"{hook}/inbound#rc=5&rp=5xx") as phones:
        told = phones.told
        client = Client(told["account_sid"], told["auth_token"], http_client=Here(told["twilio"]))
        messages(client, phones, hook)
        refusals(client, phones)
        webhooks(client, phones, hook)
    print("interop: the phones are as Twilio's")


if __name__ == "__main__":
    main()
