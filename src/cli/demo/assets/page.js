// The demo's page. Reads /demo/state again and again, and draws what has changed; whatever comes
// from there is set as text, never as markup.
"use strict";

const EVERY_MS = 700;
const SHOWN_LINES = 6;
const PRESETS = {
  jane: ["Jane", "Doe", "415-555-0123"],
  john: ["John", "Roe", "415-555-0124"],
  jill: ["Jill", "Roe", "415-555-0124"],
};

const byId = (id) => document.getElementById(id);
const drawn = new Map(); // part of the page -> JSON that it was drawn from
const opened = new Set(); // messages and histories that are unfolded
const seen = new Map(); // phone -> bubbles that the visitor has looked at
let state = null;
let phone = null; // whose tab is chosen
let moving = null; // the appointment that is being rescheduled
let polled = 0; // counts polls, so that a slow answer does not undo a newer one

/** Makes an element: attributes, then children; strings become text. */
function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Draws a part if its data differ from what was drawn; keeps the focus where it was. */
function draw(id, data, render) {
  const json = JSON.stringify(data);
  if (drawn.get(id) === json) return false;
  drawn.set(id, json);
  const part = byId(id);
  const focused = part.contains(document.activeElement) ? document.activeElement : null;
  const key = focused && focused.dataset.key;
  const scrolled = part.scrollTop;
  part.replaceChildren(...render(data));
  part.scrollTop = scrolled;
  if (key) {
    const again = [...part.querySelectorAll("[data-key]")].find((one) => one.dataset.key === key);
    if (again) again.focus({ preventScroll: true });
  }
  return true;
}

const formats = new Map();
function formatted(date, zone, options) {
  const name = zone + JSON.stringify(options);
  if (!formats.has(name)) {
    formats.set(name, new Intl.DateTimeFormat("en-US", { timeZone: zone, ...options }));
  }
  return formats.get(name).format(date);
}
const MINUTE = { weekday: "short", month: "short", day: "numeric", hour: "numeric", minute: "2-digit" };
const SECOND = { ...MINUTE, second: "2-digit", timeZoneName: "short" };
const when = (text) => formatted(new Date(text), state.zone, MINUTE);
const whenExactly = (text) => formatted(new Date(text), state.zone, SECOND);
/** A time of the practice's wall clock, which has no zone of its own. */
const wall = (text) => formatted(new Date(text + "Z"), "UTC", MINUTE);

function pretty(number) {
  const parts = /^\+1(\d{3})(\d{3})(\d{4})$/.exec(number || "");
  return parts ? `${parts[1]}-${parts[2]}-${parts[3]}` : number || "no phone";
}

/** An answer that takes what was said: of HL7 v2, or of HTTP. */
const isGood = (answer) => ["AA", "CA"].includes(answer) || /^2\d\d$/.test(answer || "");

function chip(text, kind) {
  return make("span", { class: "chip " + (kind || "") }, text);
}
function statusKind(status) {
  const name = status.toLowerCase();
  if (name === "confirmed") return "good";
  return ["cancelled", "canceled", "noshow"].includes(name) ? "bad" : "";
}

// The clock

function drawClock() {
  byId("now").textContent = whenExactly(state.now);
  const next = state.next;
  byId("next").textContent = next
    ? `${next.what}${next.patient ? ", " + next.patient : ""}: ${when(next.at)}`
    : "nothing is planned";
  byId("next").title = byId("next").textContent;
}

// The EHR

function appointmentRow(row) {
  const key = (name) => `${row.id}/${name}`;
  const other = state.locations.find((place) => place.code !== row.location);
  const act = (label, action, more) =>
    make("button", {
      type: "button", "data-key": key(action), "aria-label": `${label}: ${row.patient}, ${wall(row.start)}`,
      onclick: (event) => send("/demo/change", { action, id: row.id, ...more }, event.currentTarget),
    }, label);
  const acts = make("div", { class: "acts" },
    make("button", {
      type: "button", "data-key": key("reschedule"), "aria-expanded": String(moving === row.id),
      "aria-label": `Reschedule: ${row.patient}, ${wall(row.start)}`,
      onclick: () => toggleMove(row),
    }, "Reschedule"),
    other ? act(`Move to ${other.name.split(" ").pop()}`, "relocate", { location: other.code }) : null,
    act("Cancel", "cancel"), act("No-show", "no_show"));
  return make("li", {},
    make("div", { class: "row-head" }, make("b", {}, row.patient), make("span", {}, wall(row.start)),
      chip(row.status, statusKind(row.status))),
    make("p", { class: "row-sub" }, `${row.location_name} · ${row.phone} · no. ${row.id}`),
    row.is_open ? acts : null,
    row.is_open && moving === row.id ? moveForm(row) : null);
}

function toggleMove(row) {
  moving = moving === row.id ? null : row.id;
  render();
  if (moving) byId("new-start").focus();
}

function moveForm(row) {
  const day = new Date(row.start + "Z");
  day.setUTCDate(day.getUTCDate() + 1);
  const field = make("input", {
    id: "new-start", type: "datetime-local", required: true, "data-key": row.id + "/start",
    "aria-label": "New date and time", value: day.toISOString().slice(0, 16),
  });
  const submit = async (event) => {
    event.preventDefault();
    const order = { action: "reschedule", id: row.id, start: field.value };
    if (await send("/demo/change", order, event.submitter)) {
      moving = null;
      render();
    }
  };
  return make("form", { class: "move", onsubmit: submit }, field,
    make("button", { type: "submit", class: "main", "data-key": row.id + "/save" }, "Save new time"),
    make("button", { type: "button", onclick: () => toggleMove(row), "data-key": row.id + "/keep" }, "Keep"));
}

const MEANINGS = {
  S12: "booking", S13: "new time", S14: "change", S15: "cancellation", S26: "no-show",
  S03: "request to change", S04: "request to cancel",
};
function messageRow(line) {
  const key = "message/" + line.index;
  const isOut = line.from === "ehr";
  const segments = line.segments.map((segment) =>
    make("li", {}, make("b", {}, segment.slice(0, 3)), segment.slice(3)));
  const details = make("details", {
    open: opened.has(key),
    ontoggle: (event) => (event.target.open ? opened.add(key) : opened.delete(key)),
  },
    make("summary", { "data-key": key },
      make("time", {}, when(line.at)),
      make("span", { class: "way " + (isOut ? "out" : "in") }, isOut ? "EHR → appointd" : "appointd → EHR"),
      make("span", {}, line.trigger, " ",
        make("span", { class: "row-sub" }, MEANINGS[line.trigger.split("^")[1]] || "")),
      chip(line.answer, isGood(line.answer) ? "good" : "bad")),
    make("ol", {}, ...segments));
  return details;
}

// The phones

function drawPhones() {
  const phones = state.phones;
  if (!phones.some((one) => one.phone === phone)) phone = phones.length ? phones[0].phone : null;
  const chosen = phones.find((one) => one.phone === phone);
  if (chosen) seen.set(phone, chosen.bubbles.length);
  const tabs = phones.map((one) => ({
    phone: one.phone, names: one.names, isChosen: one.phone === phone,
    isNew: one.bubbles.length > (seen.get(one.phone) || 0),
  }));
  draw("tabs", tabs, () => tabs.map(tab));
  const said = chosen && (chosen.blocked || chosen.opted_out);
  byId("blocked").hidden = !said;
  byId("blocked").textContent = said
    ? `Opted out: ${chosen.blocked ? "the carrier blocks texts to this phone" : "appointd sends no texts to this phone"}` : "";
  byId("start").hidden = !said;
  byId("reply").querySelectorAll("button, input").forEach((one) => { one.disabled = !chosen; });
  const box = byId("bubbles");
  const wasAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 40;
  const before = drawn.get("bubbles-of") === phone ? box.childElementCount : Infinity;
  const isOther = drawn.get("bubbles-of") !== phone;
  drawn.set("bubbles-of", phone);
  const bubbles = chosen ? chosen.bubbles : [];
  const isRedrawn = draw("bubbles", { phone, bubbles }, () =>
    bubbles.length ? bubbles.map((one, index) => bubble(one, index >= before))
      : [make("p", { class: "empty" }, chosen
        ? "No texts yet. Book an appointment, or look below why none was sent."
        : "No phones yet. Book an appointment: its patient’s phone appears here.")]);
  if (isRedrawn && (isOther || wasAtEnd)) box.scrollTop = box.scrollHeight;
}

function tab(one) {
  return make("button", {
    type: "button", role: "tab", id: "tab-" + one.phone, "aria-selected": String(one.isChosen),
    "aria-controls": "phone", tabindex: one.isChosen ? "0" : "-1", "data-key": one.phone,
    onclick: () => choose(one.phone), onkeydown: turnTab,
  }, one.names.join(", "), one.isNew ? make("i", { class: "dot", role: "img", "aria-label": "new text" }) : null,
  make("span", {}, pretty(one.phone)));
}

function choose(number) {
  phone = number;
  render();
}

function turnTab(event) {
  const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
  if (!step) return;
  event.preventDefault();
  const numbers = state.phones.map((one) => one.phone);
  choose(numbers[(numbers.indexOf(phone) + step + numbers.length) % numbers.length]);
  byId("tab-" + phone).focus();
}

function bubble(text, isNew) {
  const failed = ["failed", "undelivered"].includes(text.status);
  const parts = text.segments > 1 ? `, ${text.segments} SMS parts` : "";
  const note = {
    patient: when(text.at),
    carrier: `${when(text.at)} · from the carrier itself`,
    practice: `${when(text.at)} · ${text.status}${text.error_code ? " (" + text.error_code + ")" : ""}${parts}`,
  }[text.side];
  const kinds = ["bubble", text.side, failed ? "failed" : "", isNew ? "new" : ""];
  return make("div", { class: kinds.join(" ").trim() }, make("p", {}, text.body), make("span", {}, note));
}

// The engine

function card(row) {
  const key = "history/" + row.key;
  const isOpen = opened.has(key);
  const lines = isOpen ? row.history : row.history.slice(0, SHOWN_LINES);
  const plans = [...row.waiting, ...row.timers];
  const plan = plans.length
    ? "Next: " + plans.map((one) => `${one.what} ${one.is_due ? "now" : when(one.at)}`).join(", then ")
    : "Next: nothing is planned";
  const more = row.history.length > SHOWN_LINES
    ? make("button", {
      type: "button", class: "more", "data-key": key, "aria-expanded": String(isOpen),
      onclick: () => {
        if (isOpen) opened.delete(key); else opened.add(key);
        render();
      },
    }, isOpen ? "Show less" : `Show all ${row.history.length}`) : null;
  return make("article", { class: "card" },
    make("div", { class: "row-head" }, make("b", {}, row.patient || "Unnamed patient"),
      make("span", {}, row.start ? when(row.start) : "no time"),
      make("span", { class: "row-sub" }, [row.location, pretty(row.phone)].filter(Boolean).join(" · "))),
    make("div", { class: "chips" }, chip(row.status, statusKind(row.status)),
      chip("reminders: " + row.disposition, row.disposition === "OPTED-OUT" ? "warn" : ""),
      row.wish ? chip(`patient ${row.wish.kind}: ${row.wish.state}`, row.wish.state.startsWith("failed") ? "bad" : "good") : null),
    make("p", { class: "plan" }, plan),
    history(lines, `What happened to ${row.patient}’s appointment, and why; newest first`),
    more);
}

function history(lines, caption) {
  return make("table", { class: "history" },
    make("caption", { class: "hidden" }, caption),
    make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "When"),
      make("th", { scope: "col" }, "What happened"),
      make("th", { scope: "col" }, "What appointd did, and why"))),
    make("tbody", {}, ...lines.map(historyLine)));
}

const FAINT = ["being sent", "accepted by the receiver", "delivered to the phone"];
function historyLine(line) {
  return make("tr", { class: FAINT.includes(line.because) ? "faint" : "" },
    make("td", {}, make("time", {}, when(line.at))),
    make("td", {}, line.cause),
    make("td", {}, line.because));
}

// Outreach

const STATES = { completed: "good", handed_over: "warn", opted_out: "warn", failed: "bad", expired: "warn" };
function campaignRow(row) {
  const people = row.people.map((one) => make("tr", {},
    make("td", {}, make("button", {
      type: "button", class: "link", "data-key": `${row.id}/${one.phone}`,
      onclick: () => choose(one.phone),
    }, one.name)),
    make("td", {}, chip(one.state.replace("_", " "), STATES[one.state] || "")),
    make("td", {}, one.answers.map((answer) =>
      `${answer.question}: ${answer.words}${answer.read_as && answer.read_as !== answer.words ? " = " + answer.read_as : ""}`).join(" · "))));
  return make("article", { class: "card" },
    make("div", { class: "row-head" }, make("b", {}, row.flow), chip(row.state, row.state === "finished" ? "good" : ""),
      make("span", { class: "row-sub" }, `${row.over} of ${row.recipients} through, ${row.texts} texts`)),
    make("table", { class: "history" },
      make("caption", { class: "hidden" }, `Recipients of ${row.flow}, and what they answered`),
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Who"),
        make("th", { scope: "col" }, "How far"), make("th", { scope: "col" }, "Answers"))),
      make("tbody", {}, ...people)));
}

function taskRow(task) {
  return make("li", {},
    make("div", { class: "row-head" }, make("b", {}, task.what || "To look at"),
      make("span", {}, [task.patient, task.phone ? pretty(task.phone) : null].filter(Boolean).join(", ")),
      make("span", { class: "row-sub" }, when(task.at))),
    task.note ? make("p", { class: "row-sub" }, `“${task.note}”`) : null);
}

// All of it

const orEmpty = (rows, row, text) =>
  rows.length ? rows.map(row) : [make("p", { class: "empty" }, text)];

function render() {
  if (!state) return;
  drawClock();
  draw("appointments", { rows: state.ehr, moving }, ({ rows }) =>
    orEmpty(rows, appointmentRow, "No appointments yet. Book one above."));
  draw("messages", state.messages, (rows) => orEmpty(rows, messageRow, "No messages yet."));
  drawPhones();
  const folds = state.engine.map((row) => opened.has("history/" + row.key));
  draw("engine", { rows: state.engine, folds }, ({ rows }) =>
    orEmpty(rows, card, "appointd has heard of no appointment yet."));
  draw("others", state.others, (lines) => (lines.length
    ? [make("h3", {}, "What changed no appointment"),
      history(lines, "What came in and changed no appointment; newest first")]
    : []));
  draw("campaigns", state.campaigns, (rows) =>
    orEmpty(rows, campaignRow, "Nobody has been asked yet."));
  draw("tasks", state.tasks, (rows) =>
    orEmpty(rows, taskRow, "Nothing to do. What appointd cannot settle by itself lands here; try a reply such as R, or one that makes no sense."));
}

function prepareForm() {
  const form = byId("book");
  if (form.elements.location.options.length) return;
  if (state.by_fhir) {
    byId("speaks").textContent = "EHR, a FHIR server";
    byId("messages-kind").textContent = "Notifications and requests";
  }
  for (const place of state.locations) {
    form.elements.location.append(make("option", { value: place.code }, place.name));
  }
  form.elements.start.value = state.suggested_start;
  for (const flow of state.flows) {
    byId("outreach").elements.flow.append(make("option", { value: flow.name }, flow.what));
  }
}

async function poll() {
  const turn = ++polled;
  try {
    const answer = await fetch("/demo/state", { cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const fresh = await answer.json();
    if (turn !== polled) return;
    state = fresh;
    prepareForm();
    render();
    if (byId("notice").dataset.kind === "gone") tell("");
  } catch (error) {
    if (turn === polled) tell("The demo has ended, or does not answer. Start it again with “appointd demo”.", "gone");
  }
}

let untell = 0;
function tell(text, kind) {
  const notice = byId("notice");
  clearTimeout(untell);
  if (notice.textContent !== text) notice.textContent = text;
  notice.hidden = !text;
  notice.className = "notice" + (kind ? " bad" : "");
  notice.dataset.kind = kind || "";
  if (text && kind !== "gone") untell = setTimeout(() => tell(""), 6000);
}

/** Sends an order and shows what came of it; says whether it was taken. */
async function send(path, order, button) {
  if (button) button.disabled = true;
  try {
    const answer = await fetch(path, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(order),
    });
    const said = await answer.json().catch(() => ({}));
    if (!answer.ok) {
      tell(`Not taken: ${said.detail || answer.status}.`, "bad");
      const field = said.field && byId("book").elements[said.field];
      if (path === "/demo/book" && field) field.focus();
    } else if (said.answer && !isGood(said.answer)) {
      tell(`appointd answered the EHR with ${said.answer}.`, "bad");
    } else if (byId("notice").dataset.kind === "bad") {
      tell("");
    }
    return answer.ok;
  } catch (error) {
    tell("The demo has ended, or does not answer. Start it again with “appointd demo”.", "gone");
    return false;
  } finally {
    if (button) button.disabled = false;
    await poll();
  }
}

function start() {
  byId("book").addEventListener("submit", async (event) => {
    event.preventDefault();
    const order = Object.fromEntries(new FormData(event.target));
    const isBooked = await send("/demo/book", order, event.submitter);
    if (!isBooked) return;
    const digits = order.phone.replace(/\D/g, "").slice(-10);
    const own = state.phones.find((one) => one.phone.endsWith(digits));
    if (own) choose(own.phone);
  });
  byId("outreach").addEventListener("submit", async (event) => {
    event.preventDefault();
    const flow = event.target.elements.flow.value;
    if (!await send("/demo/outreach", { flow }, event.submitter)) return;
    const asked = state.campaigns.length ? state.campaigns[0].people : [];
    if (asked.length) choose(asked[0].phone);
  });
  document.querySelectorAll("[data-preset]").forEach((button) => {
    button.addEventListener("click", () => {
      const fields = byId("book").elements;
      [fields.given.value, fields.family.value, fields.phone.value] = PRESETS[button.dataset.preset];
    });
  });
  document.querySelectorAll("[data-move]").forEach((button) => {
    button.addEventListener("click", () => send("/demo/clock", { by: button.dataset.move }, button));
  });
  byId("quick").addEventListener("click", (event) => {
    const text = event.target.dataset.text;
    if (text) send("/demo/reply", { phone, text }, event.target);
  });
  byId("reply").addEventListener("submit", async (event) => {
    event.preventDefault();
    const text = byId("text").value;
    if (!text.trim()) return;
    if (await send("/demo/reply", { phone, text })) byId("text").value = "";
  });
  const beat = async () => {
    if (!document.hidden) await poll();
    setTimeout(beat, EVERY_MS);
  };
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) poll();
  });
  beat();
}

start();
