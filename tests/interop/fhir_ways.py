"""Servers that notify of nothing and are searched by place and day, each written to in its own way."""

import json

from loop import check
from peer import Relay, until
from practice import MOVED, answers, meddle, section


def play_ways(play, twilio):
    """Servers that do not notify, each with a place of its own, each written to in its own way."""
    ways = {
        "fhirpath": {"strategy": "fhirpath_patch", "if_match": "required"},
        "put": {"strategy": "put", "if_match": "send"},
        "response": {"strategy": "appointment_response"},
        "tests": {"strategy": "json_patch", "if_match": "never"},
    }
    relays = {name: Relay(play.peer.port, disguised=play.peer.port) for name in ways}
    places = {
        name: play.peer.create({"resourceType": "Location", "name": f"Owl Clinic {name}"})
        for name in ways
    }
    play.configure("".join(
        section(
            name, relays[name], write_back="participant", search="window", search_days=14,
            search_actors=[f"Location/{places[name]}"], poll_interval="1s", **keys,
        )
        for name, keys in ways.items()
    ), twilio)
    with play.running():
        until(lambda: all(play.server(name).get("is_imported") for name in ways), "all are read")
        coming = {name: play.visit("Jane", place=places[name]) for name in ways}
        staying = {name: play.visit("John", place=places[name]) for name in ways}
        before = {visit.id: visit.now() for visit in [*coming.values(), *staying.values()]}
        for visit in [*coming.values(), *staying.values()]:
            play.told(visit, "appointment on", "at 1:00 PM")
        for name in ways:
            play.reply(coming[name], "C")
            play.reply(staying[name], "X")
        for name in ways:
            # The answer to a response is the practice's to give.
            state = "acknowledged" if name == "response" else "reflected"
            play.wish(coming[name], state)
            play.wish(staying[name], state)
            if name == "response":
                judge_responses(play, coming[name], staying[name], before)
            else:
                judge_changes(coming[name], staying[name], before, name)
        for name, status in [("fhirpath", 412), ("tests", 400)]:
            stale_patch(play, relays[name], places[name], name, status)
        versions = {one.headers.get("if-match") for one in relays["tests"].found("PATCH", "/")}
        check(versions == {None}, "tests: no version is ever named", versions)
        stale_put(play, relays["put"], places["put"])
        play.judge_end()
    play.judge_log()
    return list(relays.values())


def without(resource, *names):
    rest = json.loads(json.dumps({key: resource[key] for key in resource if key not in names}))
    for participant in rest["participant"]:
        participant.pop("status")
    return rest


def judge_changes(coming, staying, before, name):
    after = coming.now()
    check(coming.participation() == "accepted", f"{name}: C is accepted", after)
    is_same = without(after, "meta") == without(before[coming.id], "meta")
    check(is_same, f"{name}: nothing else is changed", after)
    after = staying.now()
    check(after["status"] == "cancelled", f"{name}: X is cancelled", after)
    names = ("meta", "status", "cancelationReason")
    is_same = without(after, *names) == without(before[staying.id], *names)
    check(is_same and "cancelationReason" in after, f"{name}: with a reason", after)


def judge_responses(play, coming, staying, before):
    for visit, status in [(coming, "accepted"), (staying, "declined")]:
        found = [
            response for response in play.peer.all("AppointmentResponse")
            if response["appointment"]["reference"].endswith(visit.target)
        ]
        said = [response["participantStatus"] for response in found]
        check(said == [status], f"response: {status} is said once", found)
        actor = found[0]["actor"]["reference"]
        check(actor.endswith(f"Patient/{visit.patient}"), "response: by the patient", found)
        check(visit.now() == before[visit.id], "response: the appointment is left as it is")


def stale_patch(play, relay, place, name, status):
    """By its version, or by a test in the patch, the server finds that the appointment has moved."""
    visit = play.booked("Jane", place=place)
    meddle(relay, visit, **MOVED)
    play.reply(visit, "C")
    play.told(visit, "is now on", "at 2:30 PM")
    found = answers(relay, visit)
    check(found == [status], f"{name}: a stale write is refused with {status}", found)
    check(visit.participation() == "needs-action", f"{name}: nothing is confirmed at the new time")


def stale_put(play, relay, place):
    visit = play.booked("John", place=place)
    meddle(relay, visit, comment="Chair by the window")
    play.reply(visit, "C")
    play.wish(visit, "reflected")
    found = answers(relay, visit, "PUT")
    check(found == [412, 200], "put: written to what is there now", found)
    after = visit.now()
    is_whole = after.get("comment") and visit.participation() == "accepted"
    check(is_whole, "put: nothing of the other change is lost", after)
