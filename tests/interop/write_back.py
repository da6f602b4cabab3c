"""Every form of write-back, read and validated by programs that nobody here wrote.

Appointments of versions 2.3.1 to 2.5.1, and of a feed by ADT, are sent with PyPI's `hl7`; the
patients text; what is written back is taken by an MLLP server of `hl7`, validated by PyPI's `hl7apy`
at its strict level, compared with what was sent byte for byte, and read again by `appointd map`.
Everybody in it is invented.

Usage: write_back.py APPOINTD
"""

import asyncio
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import hl7
import hl7.mllp
from hl7.client import MLLPClient
from hl7apy.consts import VALIDATION_LEVEL
from hl7apy.exceptions import HL7apyException
from hl7apy.parser import parse_message
from twilio.request_validator import RequestValidator

from loop import (
    ACCOUNT, PRACTICE, TOKEN, WITHIN, Twilio, check, free_port, post, start_twilio, wait_until_ready,
)

VERSIONS = ["2.3.1", "2.4", "2.5", "2.5.1"]
CODES = """
[hl7.destination.set.confirm]
"SCH-6" = "^Confirmed by text"
"SCH-16" = "^SMSBOT"
"SCH-20" = "^SMSBOT"
"SCH-25" = "6^ARRIVED"
"ZOW-5.1" = "a|b & c"
[hl7.destination.set.cancel]
"SCH-25" = "4^CANCELED"
"""
# Feed, keys of its destination, MSH-9 of a confirmation and of a cancellation.
FORMS = [
    ("siu", "", "SIU^S14^SIU_S12", "SIU^S15^SIU_S12"),
    ("status", 'cancel = "siu_s14"' + CODES, "SIU^S14^SIU_S12", "SIU^S14^SIU_S12"),
    ("srm", 'confirm = "srm_s03"\ncancel = "srm_s04"', "SRM^S03^SRM_S01", "SRM^S04^SRM_S01"),
    ("adt", 'confirm = "adt_a08"\ncancel = "adt_a08"\ncharset = "8859/1"', *["ADT^A08^ADT_A01"] * 2),
    ("oru", 'confirm = "oru_r01"\ncancel = "oru_r01"', *["ORU^R01^ORU_R01"] * 2),
]
ADT_FEED = """
title = "Appointments by ADT"
extends = "hl7-default"
[appointment]
start = ["PV2-8"]
[triggers]
"ADT^A05" = { event = "BOOKED", status = "booked" }
[[example]]
name = "a pre-admission is a booking"
message = '''
MSH|^~\\&|EHR|OWL|||20261120110311-0600||ADT^A05|1|P|2.4
PID|1||M1||Doe^Jane
PV1|1|P|||||||||||||||||V1
PV2||||||||20261201093000
'''
expect = '{"event": "BOOKED", "appointment": {"id": "V1"}}'
"""


class Visit:
    """One appointment, what was sent about it, and what its patient wishes."""

    def __init__(self, number, feed, version, wish, message_type):
        self.feed, self.version, self.wish, self.type = feed, version, wish, message_type
        self.is_adt_feed = feed.startswith("feed-")
        self.number = number
        self.mrn = f"MRN\\T\\{number}"
        self.phone = f"+14155550{100 + number}"
        self.start = (datetime.now(timezone.utc) + timedelta(days=9)).strftime("%Y%m%d200000+0000")
        self.sent = self.adt() if self.is_adt_feed else self.siu()

    def head(self, kind):
        now = datetime.now(timezone.utc).strftime("%Y%m%d%H%M%S+0000")
        end = f"|{now}||{kind}|W{self.number}|P|{self.version}||||||UNICODE UTF-8"
        return f"MSH|^~\\&|EHR^1.2.3^ISO|OWL|APPOINTD|HUB{end}"

    def patient(self):
        local = f"(415)555-0{100 + self.number}"
        pid = f"PID|1||{self.mrn}^^^OWL&2.16.840.1.113883.19.1&ISO^MR~S{self.number}^^^OWL^PI||Doe^Zoë"
        return [
            f"{pid}||19800101|F|||12 Elm St^^Oakland^CA||{local}^PRN^CP||eng^English",
            f"PV1|1|O|EAST^^^OWL||||||||||||||||V-{self.number}^^^OWL",
        ]

    def z_segment(self):
        return f'ZOW|1|kept\\F\\as it is|{self.number}~x&y^z|""|||'

    def siu(self):
        schedule = f"P-{self.number}^PLACER\\T\\CO|F\\S\\{self.number}^OWL^2.16.840.1.113883.19^ISO"
        return "\r".join([
            self.head("SIU^S12^SIU_S12"),
            f"SCH|{schedule}||||BOOK|CHECKUP^Check-up|NORMAL|30|MIN|^^^{self.start}|||||U1||||U1|||||Booked",
            *self.patient(),
            "RGS|1",
            "AIS|1||CHECKUP^Check-up",
            "AIL|1||EAST^^^OWL|D",
            "AIP|1||1234^Diaz^Frances^^^Dr.|MD",
            self.z_segment(),
        ]) + "\r"

    def adt(self):
        stamp = self.start[:14]
        return "\r".join([
            self.head("ADT^A05^ADT_A05" if self.version >= "2.5" else "ADT^A05^ADT_A01"),
            f"EVN|A05|{stamp}",
            *self.patient(),
            f"PV2||||||||{self.start}",
            "OBX|1|NM|WEIGHT^Weight|1|71||||||F",
            self.z_segment(),
        ]) + "\r"


def visits():
    rows = []
    for wish in ("confirm", "cancel"):
        for feed, _, confirm, cancel in FORMS:
            kind = confirm if wish == "confirm" else cancel
            rows += [(feed, version, wish, kind) for version in VERSIONS]
            if feed != "status":
                rows.append((f"feed-{feed}", "2.4", wish, kind))
    return [Visit(number, *row) for number, row in enumerate(rows)]


def start_ehr(port, received):
    """Takes what is written back; a request gets a decision, all else an acknowledgment."""

    async def take(reader, writer):
        while not writer.is_closing():
            try:
                block = await reader.readblock()
            except asyncio.IncompleteReadError:
                break
            message = hl7.parse(block.decode("latin-1"))
            answer = str(message.create_ack("AA"))
            if str(message["MSH"][0][9]).startswith("SRM"):
                trigger = str(message["MSH"][0][9]).split("^")[1]
                kind = str(hl7.parse(answer)["MSH"][0][9])
                answer = answer.replace(f"|{kind}|", f"|SRR^{trigger}^SRR_S01|", 1)
            writer.writeblock(answer.encode("latin-1"))
            await writer.drain()
            received.put(block)
        writer.close()

    async def serve(is_bound):
        server = await hl7.mllp.start_hl7_server(take, "127.0.0.1", port)
        is_bound.set()
        async with server:
            await server.serve_forever()

    is_bound = threading.Event()
    threading.Thread(target=lambda: asyncio.run(serve(is_bound)), daemon=True).start()
    check(is_bound.wait(WITHIN), "the EHR's port is bound")


def settings(folder, http, feeds, ehr, twilio):
    text = f"""
[practice]
name = "Owl Clinic"
callback_phone = "{PRACTICE}"
time_zone = "America/Los_Angeles"
[store]
path = "store"
[mappings]
paths = ["own"]
[http]
listen = "127.0.0.1:{http}"
public_url = "http://127.0.0.1:{http}"
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
    for feed, port in feeds.items():
        form = next(keys for name, keys, *_ in FORMS if name == feed.removeprefix("feed-"))
        mapping = "adt-feed" if feed.startswith("feed-") else "hl7-default"
        text += f"""
[[hl7.listener]]
name = "{feed}"
listen = "127.0.0.1:{port}"
mapping = "{mapping}"
[[route]]
source = "{feed}"
destination = "{feed}"
[[hl7.destination]]
name = "{feed}"
address = "127.0.0.1:{ehr}"
{form}
"""
    (folder / "own").mkdir()
    (folder / "own" / "adt-feed.toml").write_text(ADT_FEED)
    (folder / "token").write_text(TOKEN + "\n")
    (folder / "appointd.toml").write_text(text)
    return folder / "appointd.toml"


def reply(http, visit):
    url = f"http://127.0.0.1:{http}/twilio/inbound"
    sid = f"SM{visit.number:032x}"
    form = {
        "MessageSid": sid, "SmsSid": sid, "AccountSid": ACCOUNT, "From": visit.phone,
        "To": PRACTICE, "Body": "C" if visit.wish == "confirm" else "X", "NumMedia": "0",
        "NumSegments": "1", "ApiVersion": "2010-04-01",
    }
    status, answer = post(url, form, RequestValidator(TOKEN).compute_signature(url, form))
    assert status == 200, (status, answer)


def play(appointd, folder):
    all_visits = visits()
    http, ehr = free_port(), free_port()
    feeds = {visit.feed: 0 for visit in all_visits}
    for feed in feeds:
        feeds[feed] = free_port()
    received = queue.Queue()
    start_ehr(ehr, received)
    config = settings(folder, http, feeds, ehr, start_twilio())
    subprocess.run([appointd, "check", "--config", config], check=True, stdout=subprocess.DEVNULL)
    daemon = subprocess.Popen([appointd, "run", "--config", config])
    try:
        check(wait_until_ready(http, daemon)["ready"], "the daemon is ready")
        for visit in all_visits:
            with MLLPClient("127.0.0.1", feeds[visit.feed]) as client:
                answer = client.send_message(visit.sent).strip(b"\x0b\x1c\r").decode()
            code = str(hl7.parse(answer)["MSA"][0][1])
            assert code == "AA", (visit.feed, answer)
        # Texts leave in any order; each patient's is waited for before the patient answers.
        told = set()
        while len(told) < len(all_visits):
            told.add(Twilio.texts.get(timeout=WITHIN)["To"])
        for visit in all_visits:
            reply(http, visit)
        blocks = [received.get(timeout=WITHIN) for _ in all_visits]
        daemon.terminate()
        check(daemon.wait(WITHIN) == 0, "the daemon ends with 0")
    finally:
        if daemon.poll() is None:
            daemon.kill()
    judge_all(appointd, folder, all_visits, blocks)


def judge_all(appointd, folder, all_visits, blocks):
    by_mrn = {visit.mrn: visit for visit in all_visits}
    control_ids, files = set(), {}
    for block in blocks:
        raw = block.decode("latin-1")
        message = hl7.parse(raw)
        visit = by_mrn.pop(str(message["PID"][0][3]).split("^")[0])
        # MSH-18 names the character set in which it is written.
        charset = str(message["MSH"][0][18])
        assert charset == ("8859/1" if visit.feed.endswith("adt") else "UNICODE UTF-8"), charset
        text = raw if charset == "8859/1" else block.decode("utf-8")
        judge(visit, text)
        control_ids.add(str(message["MSH"][0][10]))
        files[folder / f"{visit.number}.hl7"] = (visit, block)
    check(not by_mrn, "each wish is written once")
    check(len(control_ids) == len(blocks), "under a control id of its own")
    check(all(len(name) == 20 for name in control_ids), "of 20 characters")
    read_back(appointd, files)


def judge(visit, text):
    what = (visit.feed, visit.version, visit.wish)

    def same(found, expected, where):
        assert found == expected, (*what, where, found, expected)

    lines = [line.split("|") for line in text.split("\r") if line]
    sent = {line.split("|")[0]: line.split("|") for line in visit.sent.split("\r") if line}
    segments = {}
    for line in lines:
        segments.setdefault(line[0], line)
    kind, name = visit.type, visit.type.split("^")[0]
    same(segments["MSH"][8], kind, "MSH-9")
    same(segments["MSH"][2:6], ["APPOINTD", "HUB", "EHR^1.2.3^ISO", "OWL"], "MSH-3 to 6")
    same(segments["PID"], sent["PID"], "PID")
    same(segments["PV1"], sent["PV1"], "PV1")
    z_segment = list(sent["ZOW"])
    if visit.feed == "status" and visit.wish == "confirm":
        z_segment[5] = "a\\F\\b \\T\\ c"
    same(segments["ZOW"], z_segment, "the Z-segment")
    ids = sent["SCH"][1:3] if "SCH" in sent else [f"V-{visit.number}"] * 2
    words = {"confirm": "Confirmed", "cancel": "Cancelled"}[visit.wish]
    reason = {"confirm": "PATCONFIRM", "cancel": "PATCANCEL"}[visit.wish]
    if name == "SIU":
        expected = ids if "SCH" in sent else ["", ids[1]]
        same(segments["SCH"][1:3], expected, "ids of SCH")
        if visit.feed == "status":
            expected = {"confirm": "6^ARRIVED", "cancel": "4^CANCELED"}[visit.wish]
            same(segments["SCH"][25], expected, "status")
        else:
            same(segments["SCH"][25], f"{words}^{words}", "status")
    elif name == "SRM":
        same(segments["ARQ"][1:3], ids, "ids of ARQ")
        same(segments["ARQ"][6].split("^")[0], reason, "reason")
        same(segments["ARQ"][11], visit.start, "start") if "SCH" in sent else None
    else:
        observed = {line[3].split("^")[0]: line[5] for line in lines if line[0] == "OBX"}
        same(observed["APPTREPLY"].split("^")[0], reason, "the wish")
        same(observed["APPTID"], ids[1].split("^")[0], "the appointment's id")
    validate(visit, text, same)
    print(f"  ok: {kind} of {visit.version}, {visit.wish}, from {visit.feed}")


def validate(visit, text, same):
    """Structure, required fields and data types, as hl7apy knows them of this version."""
    parsed = parse_message(text, validation_level=VALIDATION_LEVEL.STRICT)
    parsed.validate()
    same(parsed.version, visit.version, "the version that is validated")
    same(parsed.name, visit.type.split("^")[2], "the structure that is validated")
    flat = parse_message(text, find_groups=False)
    same(flat.pid.pid_3[0].value, visit.sent.split("PID|")[1].split("|")[2].split("~")[0], "PID-3")
    same(hl7.parse(text).extract_field("PID", 1, 3, 1, 1), f"MRN&{visit.number}", "PID-3.1 as text")


def refuses(text):
    try:
        parse_message(text, validation_level=VALIDATION_LEVEL.STRICT).validate()
    except (HL7apyException, ValueError):
        return True
    return False


def read_back(appointd, files):
    """What is written as SIU means to our own reader what the patient meant."""
    notices = {file: visit for file, (visit, _) in files.items() if visit.type.startswith("SIU")}
    for file, (_, block) in files.items():
        file.write_bytes(block)
    asked = [appointd, "map", "--mapping", "hl7-default", "--format", "json", *notices]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    rows = [json.loads(line) for line in told.splitlines()]
    check(len(rows) == len(notices), "our own reader reads every notice", len(rows))
    for row in rows:
        visit = notices[Path(row["file"])]
        expected = "CANCELED" if visit.wish == "cancel" else "CONFIRMED"
        if visit.feed == "status" and visit.wish == "confirm":
            # The site's own word says that the patient is there.
            expected = row["event"]
        ids = {found["value"] for found in row["appointment"]["ids"]}
        own = f"V-{visit.number}" if visit.is_adt_feed else f"F^{visit.number}"
        assert row["event"] == expected and own in ids, (visit.feed, row)
    check(True, "to the wish and the ids that were meant")
    adt = next(block for visit, block in files.values() if visit.type.startswith("ADT"))
    lines = adt.decode("latin-1").split("\r")
    without = "\r".join(line for line in lines if not line.startswith("EVN"))
    check(not refuses("\r".join(lines)) and refuses(without), "and the validator does refuse")


def main():
    with tempfile.TemporaryDirectory() as folder:
        play(os.path.abspath(sys.argv[1]), Path(folder))
    print("write-back: all ok")


if __name__ == "__main__":
    main()
