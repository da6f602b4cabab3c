"""The loop over FHIR, with a server that nobody here wrote.

Medplum's router (npm) holds the appointments and notifies; a stand-in of Twilio takes the texts; what
patients answer is written to the server in every way there is; what we write is validated by npm's
`@medplum/core` and PyPI's `fhir.resources`. Everybody in it is invented.

Usage: fhir_loop.py APPOINTD FOLDER_OF_THE_PEER
"""

import hashlib
import hmac
import json
import os
import signal
import sys
import tempfile
import threading
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import validate
from fhir_ways import play_ways
from loop import WITHIN, check, start_twilio
from peer import Peer, Relay, until
from practice import HOOK, MOVED, NOTIFY, SIGNING, Play, answers, meddle, section

REASONS = "http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason"


def subscribed(play):
    """A subscription is made at the server, and works."""
    def is_made():
        return [one["status"] for one in play.peer.all("Subscription")] == ["active"]

    until(is_made, "a subscription is active", lambda: play.peer.all("Subscription"))
    hook = play.peer.all("Subscription")[0]
    check(hook["criteria"].startswith("Appointment?"), "it asks for appointments", hook["criteria"])
    endpoint = f"http://127.0.0.1:{play.hooks.port}/fhir/notify/peer"
    check(hook["channel"]["endpoint"].startswith(endpoint), "it leads to us", hook["channel"])

    def is_known():
        row = play.server("peer")
        return row.get("is_imported") and (row.get("subscription") or {}).get("status") == "active"

    until(is_known, "query servers tells of an active subscription")
    check("active" in play.run("query", "servers"), "query servers shows the subscription")


def a_life(play):
    """From a proposal to a confirmation."""
    visit = play.visit("Jane", status="proposed")
    play.becomes(visit, "pending")
    visit.change(status="booked")
    play.told(visit, "Hi Jane", "appointment on", "at 1:00 PM", "Reply C")
    visit.move()
    play.told(visit, "is now on", "at 2:30 PM")
    play.reply(visit, "C")
    play.wish(visit, "reflected")
    after = visit.now()
    check(visit.participation() == "accepted", "a reply C is accepted at the server", after)
    check(after["status"] == "booked", "and changes nothing else", after["status"])
    check(play.row(visit)["status"] == "confirmed", "the server's word confirms it")
    return visit


def called_off(play):
    visit = play.booked("John")
    reason = {"coding": [{"system": REASONS, "code": "prov"}]}
    visit.change(status="cancelled", cancelationReason=reason)
    play.told(visit, "has been canceled")
    play.becomes(visit, "canceled")
    gone = play.booked("John")
    play.peer.need("DELETE", gone.target)
    play.becomes(gone, "canceled")
    check(True, "a deletion is found at once")
    by_patient = play.booked("Jane")
    play.reply(by_patient, "X")
    play.wish(by_patient, "reflected")
    after = by_patient.now()
    check(after["status"] == "cancelled", "a reply X cancels at the server", after)
    codes = [coding["code"] for coding in after["cancelationReason"]["coding"]]
    check(codes == ["pat"], "with the patient as the reason", codes)


def stale_writes(play, relay):
    moved = play.booked("Jane")
    meddle(relay, moved, **MOVED)
    play.reply(moved, "C")
    play.told(moved, "is now on", "at 2:30 PM")
    until(lambda: play.row(moved).get("wish") is None, "the wish about another time is dropped")
    found = answers(relay, moved)
    # This server tests what the patch tests before it looks at the version.
    check(found == [400], "a change to a moved appointment is refused, and not repeated", found)
    check(moved.participation() == "needs-action", "nothing is confirmed at the new time")

    noted = play.booked("John")
    meddle(relay, noted, comment="Chair by the window")
    play.reply(noted, "C")
    play.wish(noted, "reflected")
    found = answers(relay, noted)
    check(found == [412, 200], "what does not concern the patient is written at the second try", found)
    after = noted.now()
    check(after["comment"].startswith("Chair"), "and the other change stays", after)
    check(noted.participation() == "accepted", "and the reply is accepted")

    off = play.booked("Jane")
    meddle(relay, off, status="cancelled")
    play.reply(off, "C")
    play.told(off, "has been canceled")
    found = answers(relay, off)
    check(found == [400], "a canceled appointment is not confirmed", found)
    check(off.now()["status"] == "cancelled", "and stays canceled")
    return off


def call(port, exchange, body=None, **headers):
    """Sends a notification again, with changes; the status of the answer."""
    kept = {
        name: value for name, value in exchange.headers.items()
        if name.startswith("x-") or name == "content-type"
    }
    kept.update({name.replace("_", "-"): value for name, value in headers.items()})
    kept = {name: value for name, value in kept.items() if value is not None}
    body = exchange.body if body is None else body
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}{exchange.path}", body, kept, method=exchange.method
    )
    try:
        with urllib.request.urlopen(request, timeout=WITHIN) as answer:
            answer.read()
            return answer.status
    except urllib.error.HTTPError as refusal:
        return refusal.code


def signature(body, secret):
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def is_about(exchange, visit):
    """Whether a notification names an appointment; that of a deletion does in a header."""
    return visit.id in f"{exchange.body.decode()} {list(exchange.headers.values())}"


def notifications_of(play, visit):
    posted = play.hooks.found("POST", "/fhir/notify/")
    return [one for one in posted if is_about(one, visit) and one.status == 200]


def threefold_notification(play):
    """The same notification comes three times at once."""
    def repeat(exchange):
        if "/fhir/notify/" in exchange.path:
            others = [threading.Thread(target=play.hooks.ask, args=(exchange,)) for _ in range(2)]
            for other in others:
                other.start()

    play.hooks.meddle = repeat
    visit = play.booked("Jane")
    visit.move()
    play.told(visit, "is now on", "at 2:30 PM")
    play.hooks.meddle = lambda exchange: None


def doubtful_notifications(play):
    """Repeated, late, forged."""
    visit = play.booked("John")
    first = until(lambda: notifications_of(play, visit), "the booking is notified")[0]
    right = signature(first.body, SIGNING)
    check(first.headers.get("x-signature") == right, "the server signs with our key", first.headers)
    check(first.headers.get("x-hook-token") == HOOK, "and sends our header", first.headers)
    found = [call(play.http, first) for _ in range(3)]
    check(found == [200] * 3, "repetitions are taken", found)

    forged = dict(first.json(), status="cancelled")
    body = json.dumps(forged).encode()
    found = [
        call(play.http, first, body),
        call(play.http, first, body, x_signature=signature(body, "another secret")),
        call(play.http, first, x_signature=None),
        call(play.http, first, x_signature="sha256"),
        call(play.http, first, x_hook_token="another token"),
        call(play.http, first, x_hook_token=None),
    ]
    check(found == [403] * 6, "forged notifications are refused", found)
    found = call(play.http, first, body, x_signature=signature(body, SIGNING))
    check(found == 200, "what is signed is taken, whatever it says", found)
    check(play.row(visit)["status"] == "booked", "but only what the server holds counts")

    visit.move()
    play.told(visit, "is now on", "at 2:30 PM")
    check(call(play.http, first) == 200, "a late notification is taken")
    return visit


def losing(play):
    """The notifications from now on are lost on the way; returns how to wait for that."""
    lost = []

    def lose(exchange):
        if "/fhir/notify/" in exchange.path:
            lost.append(exchange)
            return 200
        return None

    def are_lost(*visits):
        for visit in visits:
            what = f"a notification of {visit.target} is lost"
            until(lambda: any(is_about(one, visit) for one in lost), what)
        play.hooks.meddle = lambda exchange: None

    play.hooks.meddle = lose
    return are_lost


def lost_notifications(play, relay):
    known = [play.booked("Jane") for _ in range(3)]
    are_lost = losing(play)
    play.stop()
    moved, off, gone = known
    new = play.visit("John")
    moved.move()
    off.change(status="cancelled")
    play.peer.need("DELETE", gone.target)
    are_lost(moved, off, gone, new)
    seen = len(relay.seen)
    play.start()
    play.told(new, "appointment on")
    play.told(moved, "is now on", "at 2:30 PM")
    play.told(off, "has been canceled")
    searches = relay.found("GET", "_lastUpdated=ge", relay.seen[seen:])
    check(len(searches) > 0, "what happened meanwhile is found by a search")

    are_lost = losing(play)
    late = play.visit("John")
    are_lost(late)
    told = play.run("resync", "peer")
    check("peer" in told, "resync is accepted", told)
    play.told(late, "appointment on")
    play.becomes(gone, "canceled")
    check(True, "a resync finds what is new, and what is gone")


def play_notified(play, twilio):
    """Everything by notification, written as JSON Patch."""
    relay = Relay(play.peer.port, disguised=play.peer.port)
    old = play.visit("Jane")
    play.configure(section(
        "peer", relay, subscribe="r4", content="full-resource", poll_interval="1h",
        write_back="participant", strategy="json_patch",
    ) + NOTIFY, twilio)
    with play.running():
        subscribed(play)
        play.becomes(old, "booked")
        a_life(play)
        called_off(play)
        off = stale_writes(play, relay)
        threefold_notification(play)
        visit = doubtful_notifications(play)
        lost_notifications(play, relay)
        play.booked("Jane")
        row = play.row(visit)
        # As the clock in Phoenix shows it.
        is_moved = row["start"] == MOVED["start"].replace("21:30:00Z", "14:30:00-07:00")
        check(is_moved, "a late notification brings nothing back", row)
        check(row["status"] == "booked", "a notification with a false resource neither", row)
        found = [one["status"] for one in play.peer.all("Subscription")]
        check(found == ["active"], "there is still one subscription", found)
        row = play.server("peer")
        known = [row.get(name) for name in ("heard_at", "searched_at", "cursor", "compared_at")]
        check(all(known), "query servers tells when it was heard and searched", row)
        # Somebody wanted to come who is not expected any more.
        play.judge_end(tasks=[off])
    play.judge_log()
    play.peer.change(f"Subscription/{play.peer.all('Subscription')[0]['id']}", status="off")
    return [relay]


def written(relays, hooks):
    """Every resource that left us; the bodies of JSON Patches are judged here."""
    found, patches = [], 0
    for exchange in [one for relay in relays for one in relay.seen if one.body]:
        body = exchange.json()
        if exchange.headers["content-type"].startswith("application/json-patch+json"):
            assert validate.is_json_patch(body), body
            patches += 1
        else:
            kind = exchange.headers["content-type"]
            assert kind.startswith("application/fhir+json"), kind
            found.append(body)
    for exchange in hooks.found("POST", "/fhir/notify/"):
        found += [json.loads(exchange.answer)] if exchange.status == 200 and exchange.answer else []
    check(patches > 0, f"{patches} JSON Patches are patches")
    return found


def judge_written(found, peer, folder):
    kinds = Counter(resource["resourceType"] for resource in found)
    expected = {"Subscription", "Parameters", "AppointmentResponse", "Appointment", "OperationOutcome"}
    check(set(kinds) == expected, "every kind of resource was written", dict(kinds))
    held = [
        resource for kind in ("Appointment", "AppointmentResponse", "Subscription")
        for resource in peer.all(kind)
    ]
    faults = validate.faults(found + held, peer.node, folder)
    shown = [((found + held)[index], text) for index, text in faults[:3]]
    check(not faults, f"{len(found)} written and {len(held)} held resources are valid", shown)
    wrong = [
        {"resourceType": "AppointmentResponse", "appointment": {"reference": "Appointment/1"}},
        {"resourceType": "Appointment", "status": "booked", "participants": []},
        {"resourceType": "Subscription", "status": "active", "channel": {"type": "rest-hook"}},
    ]
    faults = validate.faults(wrong, peer.node, folder)
    judges = {(index, text.split(":")[0]) for index, text in faults}
    both = {(index, judge) for index in range(3) for judge in ("medplum", "fhir.resources")}
    check(both <= judges, "and the validators do refuse", sorted(judges))


def main():
    appointd, folder = os.path.abspath(sys.argv[1]), Path(sys.argv[2]).resolve()
    # So that everything is put away when somebody ends us, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as temporary:
        temporary = Path(temporary)
        twilio = start_twilio()
        with Peer(folder, temporary / "peer.log") as peer:
            plays, relays = [], []
            for name, act in [("notified", play_notified), ("ways", play_ways)]:
                (temporary / name).mkdir()
                plays.append(Play(appointd, temporary / name, peer))
                relays += act(plays[-1], twilio)
            judge_written(written(relays, plays[0].hooks), peer, folder)
    print("fhir: all ok")


if __name__ == "__main__":
    main()
