// Writes templates with what liquidjs makes of them, a JSON object per line: template, scope, now,
// zone, output. The templates come from a grammar and a seed, so that they are the same every time.
//
// Usage: node liquid.mjs [SEED] [COUNT], beside node_modules with liquidjs.
//
// Left out is what ours does differently on purpose; see the crate's core::flow::liquid.

import { Liquid } from "liquidjs";

const seed = Number(process.argv[2] ?? 20270115);
const count = Number(process.argv[3] ?? 1200);

// mulberry32
let state = seed >>> 0;
const random = () => {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), state | 1);
  t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
  return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
};
const below = (n) => Math.floor(random() * n);
const one = (list) => list[below(list.length)];
const maybe = (chance, text) => (random() < chance ? text() : "");

// What stands in the scope, by kind.
const TEXTS = [
  "jane",
  "Jane Doe",
  "",
  "   ",
  " Owl Clinic\n",
  "a,b,,c,",
  "YES",
  "Frances <Roe> & \"co\" 'x' &lt;ok&#39;",
  "ñandú ÉCOLE straße",
  "+1 (555) 010-0123",
  "one two  three\tfour five",
  "line1\r\nline2\nline3",
  "a%20b+c%C3%A9",
  "The quick brown fox jumps over the lazy dog, and then it goes home to sleep.",
];
const NUMERIC_TEXTS = ["1", "2.50", "-7", " 12 ", "0", "1e3", "0x1f", "abc", "3 apples", ""];
const NUMBERS = [0, 1, 2, -3, 7, 10, 2.5, -1.5, 0.1, 1.005, 1234567.891, 1e21, 1.5e-7, 99999999999];
const LISTS = [
  [],
  ["b", "a", "C", "a"],
  [3, 1, 2, 1],
  ["x"],
  [1.5, 10, 2],
  ["one", null, "two"],
  [[1, 2], [3]],
  [true, false],
];
const ROWS = [
  [
    { name: "Jane", age: 34, zip: "94110", ok: true },
    { name: "john", age: 7, zip: "10001" },
    { name: "Frances", age: 81, zip: "94110", ok: false },
  ],
  [{ name: "Diaz", age: 50, ok: true }],
  [],
];
const OBJECTS = [
  {},
  { k: "v", n: 3 },
  { size: 9, first: "f" },
  { "a-b": "hyphen", list: [1, 2, 3] },
];
// No date without a time in the form of ISO: `date` takes it in the zone, not in UTC.
const DATES = [
  "2027-01-15T14:30:00Z",
  "2027-07-04T09:05:07.250-05:00",
  "2027-03-14T02:30:00",
  "2026-11-01T01:30:00",
  "2027-02-28 18:05",
  "2027-02-28 18:05:09",
  "1/15/2027",
  "1/15/2027 2:30 PM",
  "12/31/2026 12:00 am",
  "January 15, 2027",
  "Jan 5, 2027 10:30",
  "Fri, 15 Jan 2027 14:30:00 GMT",
  "15 Jan 2027 14:30:00 +0200",
  "1800000000",
  "no date",
  "",
  "2027-12-31T23:59:59+14:00",
  "1969-12-31T23:59:59Z",
  "2028-02-29T12:00:00.5Z",
];
const EPOCHS = [0, 1800000000, 1700000000.5, -86400];
const ZONES = [
  "America/New_York",
  "UTC",
  "Asia/Kolkata",
  "America/Los_Angeles",
  "Australia/Lord_Howe",
];

const scope = () => ({
  flow: {
    data: {
      text: one(TEXTS),
      "other-text": one(TEXTS),
      figure: one(NUMERIC_TEXTS),
      number: one(NUMBERS),
      list: one(LISTS),
      rows: one(ROWS),
    },
    variables: {
      yes: true,
      no: false,
      nothing: null,
      REPLY_WAIT_TIME: "360",
      index: one([0, 1, -1]),
      key: one(["text", "figure"]),
    },
  },
  widgets: {
    "ask-1": { inbound: { Body: one(["YES", "no", " 7 ", ""]) } },
    http_1: { parsed: { object: one(OBJECTS), rows: one(ROWS) } },
  },
  date: one(DATES),
  epoch: one(EPOCHS),
  n: one(NUMBERS),
  counter: 5,
});

const quoted = (text) => {
  const q = one(['"', "'"]);
  return (
    q +
    text
      .replace(/\\/g, "\\\\")
      .replaceAll(q, "\\" + q)
      .replace(/\n/g, "\\n")
      .replace(/\r/g, "\\r") +
    q
  );
};
const PATHS = {
  text: [
    "flow.data.text",
    "flow.data.other-text",
    'flow["data"]["other-text"]',
    "flow.data['text']",
    "flow.data[flow.variables.key]",
    "widgets.ask-1.inbound.Body",
    "['flow'].data.text",
  ],
  figure: ["flow.data.figure", "flow.variables.REPLY_WAIT_TIME", "widgets.ask-1.inbound.Body"],
  number: [
    "flow.data.number",
    "n",
    "flow.data.list.size",
    "flow.data.text.size",
    "widgets.http_1.parsed.object.size",
  ],
  list: ["flow.data.list"],
  rows: ["flow.data.rows", "widgets.http_1.parsed.rows"],
  missing: [
    "flow.data.missing",
    "nowhere",
    "flow.nowhere.at.all",
    "flow.data.text.deep",
    "flow.data.list[99]",
    "flow.data.rows[0].nothing",
  ],
  nothing: ["flow.variables.nothing"],
  bool: ["flow.variables.yes", "flow.variables.no"],
  scalar: [
    "flow.data.list[0]",
    "flow.data.list[-1]",
    "flow.data.list.first",
    "flow.data.list.last",
    "flow.data.list[flow.variables.index]",
    "flow.data.rows[0].name",
    "flow.data.rows.first.age",
    'flow.data.rows[0]["zip"]',
    "flow.data.text.length",
    'flow.data.list["0"]',
    "flow.data.list.1",
  ],
};
const path = (kind) => one(PATHS[kind]);
const VALUES = {
  text: () => (random() < 0.6 ? path("text") : quoted(one(TEXTS))),
  figure: () => (random() < 0.6 ? path("figure") : quoted(one(NUMERIC_TEXTS))),
  number: () =>
    random() < 0.5 ? path("number") : one(["0", "1", "2", "-3", "4.5", "10", "-0.25", "100"]),
  list: () => path("list"),
  rows: () => path("rows"),
  range: () => one(["(1..4)", "(0..flow.data.list.size)", "(3..1)", '("1".."3")', "(-1..1)"]),
  missing: () => path("missing"),
  bool: () => (random() < 0.5 ? path("bool") : one(["true", "false"])),
  scalar: () => path("scalar"),
};
const small = () => one(["0", "1", "2", "3", "5", "10", "-1", "-2", "20"]);
const part = () =>
  one(['"a"', '" "', "','", '"o"', '"Jane"', "'-'", '""', '"\\n"', '"0"', "flow.data.figure"]);
const FORMATS = [
  "%Y-%m-%d",
  "%A, %B %-e, %Y at %-l:%M %P %z",
  "%a %b %e %H:%M:%S",
  "%m/%d/%y",
  "%I:%M %p",
  "%-d%q of %B",
  "%j %U %W %u %w",
  "%C|%y|%Y",
  "%s",
  "%L %N %3N %6N",
  "%:z %z",
  "%^a %#b %^B",
  "%_m|%-m|%05d|%_5H|%e|%k|%l",
  "%%|%n|%t|%",
  "%Ey %Od %h",
  "%Q %5",
  "%P %#p",
  "%10Y|%-10Y|%010d",
  "%x",
  "%X",
  "%c",
  "",
  "no signs",
];

// Filters that a value of a kind may go through, and the kind that comes out.
const FILTERS = {
  text: [
    [() => "upcase", "text"],
    [() => "downcase", "text"],
    [() => "capitalize", "text"],
    [() => "strip", "text"],
    [() => "lstrip", "text"],
    [() => "rstrip", "text"],
    [() => `strip: ${one(['"a"', '" J"', '"xyz"'])}`, "text"],
    [() => "strip_newlines", "text"],
    [() => "escape", "text"],
    [() => "escape_once", "text"],
    [() => "url_encode", "text"],
    [() => "url_encode | url_decode", "text"],
    [() => `replace: ${part()}, ${part()}`, "text"],
    [() => `replace_first: ${part()}, ${part()}`, "text"],
    [() => `remove: ${part()}`, "text"],
    [() => `remove_first: ${part()}`, "text"],
    [
      () =>
        `append: ${one([part, VALUES.number, VALUES.text, VALUES.missing, VALUES.bool, VALUES.list])()}`,
      "text",
    ],
    [() => `prepend: ${part()}`, "text"],
    [() => `truncate: ${small()}`, "text"],
    [() => `truncate: ${small()}, ${part()}`, "text"],
    [() => "truncate", "text"],
    [() => `truncatewords: ${small()}`, "text"],
    [() => `truncatewords: ${small()}, ${part()}`, "text"],
    [() => `slice: ${small()}`, "text"],
    [() => `slice: ${small()}, ${small()}`, "text"],
    [() => `split: ${part()}`, "list"],
    [() => "size", "number"],
    [() => "first", "text"],
    [() => "last", "text"],
    [() => `default: ${one([part, VALUES.number])()}`, "scalar"],
    [() => "json", "text"],
    [() => "to_json", "text"],
    [() => `plus: ${small()}`, "number"],
    [() => "join", "text"],
    [() => "reverse", "list"],
    [() => `concat: flow.data.list`, "list"],
  ],
  figure: [
    [() => `plus: ${small()}`, "number"],
    [() => `minus: ${small()}`, "number"],
    [() => `times: ${one(["2", "0.1", '"3"', "n"])}`, "number"],
    [() => "abs", "number"],
    [() => "round", "number"],
    [() => "ceil", "number"],
    [() => "floor", "number"],
    [() => `at_least: ${small()}`, "number"],
    [() => `at_most: ${small()}`, "number"],
    [() => "strip", "text"],
    [() => `default: ${small()}`, "scalar"],
  ],
  number: [
    [() => `plus: ${one([small, VALUES.figure, VALUES.missing, VALUES.bool])()}`, "number"],
    [() => `minus: ${one([small, VALUES.number])()}`, "number"],
    [() => `times: ${one(["2", "0.1", "-1", "1.1"])}`, "number"],
    [() => `divided_by: ${one(["2", "3", "-4", "0.5", '"10"'])}`, "number"],
    [() => `divided_by: ${one(["2", "3", "-4"])}, true`, "number"],
    [() => `modulo: ${one(["2", "3", "-4", "2.5"])}`, "number"],
    [() => "abs", "number"],
    [() => "ceil", "number"],
    [() => "floor", "number"],
    [() => "round", "number"],
    [() => `round: ${one(["1", "2", "3", "-1"])}`, "number"],
    [() => `at_least: ${small()}`, "number"],
    [() => `at_most: ${small()}`, "number"],
    [() => `append: ${part()}`, "text"],
    [() => "size", "number"],
    [() => "json", "text"],
    [() => `default: ${part()}`, "scalar"],
    [() => `slice: 0, 2`, "text"],
    [() => 'join: "-"', "text"],
    [() => "upcase", "text"],
    [() => "first", "text"],
  ],
  list: [
    [() => "first", "scalar"],
    [() => "last", "scalar"],
    [() => "size", "number"],
    [() => "reverse", "list"],
    [() => "compact", "list"],
    [() => "uniq", "scalars"],
    [() => `join: ${part()}`, "text"],
    [() => "join", "text"],
    [() => `slice: ${small()}`, "list"],
    [() => `slice: ${small()}, ${small()}`, "list"],
    [() => "concat: flow.data.list", "list"],
    [() => "concat: (1..3)", "list"],
    [() => "json", "text"],
    [() => "to_json", "text"],
    [() => `default: ${part()}`, "list"],
    [() => 'map: "size"', "list"],
    [() => "sum", "number"],
    [() => 'append: "!"', "text"],
  ],
  sortable: [
    [() => "sort", "list"],
    [() => "sort_natural", "list"],
    [() => "sort | reverse", "list"],
    [() => "uniq | sort_natural", "list"],
  ],
  rows: [
    [() => `map: ${one(['"name"', '"age"', '"nothing"', '"name.size"'])}`, "list"],
    [
      () =>
        `where: ${one(['"ok"', '"zip", "94110"', '"name", "Jane"', '"age", 7', '"ok", false', '"nothing"', '"zip", blank'])} | map: "name"`,
      "list",
    ],
    [() => `sort: ${one(['"age"', '"name"', '"zip"'])} | map: "name"`, "list"],
    [() => `sort_natural: "name" | map: "name"`, "list"],
    [() => 'sum: "age"', "number"],
    [() => "size", "number"],
    [() => "json", "text"],
    [() => 'reverse | map: "age"', "list"],
    [() => 'first | map: "name"', "list"],
    [() => 'concat: flow.data.rows | map: "name"', "list"],
    [() => 'slice: 1, 2 | map: "name"', "list"],
  ],
  range: [
    [() => 'join: ","', "text"],
    [() => "size", "number"],
    [() => "reverse", "list"],
    [() => "sum", "number"],
    [() => "first", "scalar"],
  ],
  date: [
    [() => `date: ${quoted(one(FORMATS))}`, "text"],
    [() => "date", "text"],
    [
      () =>
        `date: ${quoted(one(FORMATS))}, ${one(["300", "-330", '"Asia/Tokyo"', '"America/Chicago"'])}`,
      "text",
    ],
  ],
  missing: [
    [() => `default: ${one([part, VALUES.number, VALUES.missing, VALUES.list])()}`, "scalar"],
    [() => "upcase", "text"],
    [() => "size", "number"],
    [() => `plus: ${small()}`, "number"],
    [() => `append: ${part()}`, "text"],
    [() => `split: ","`, "list"],
    [() => 'join: "-"', "text"],
    [() => "first", "text"],
    [() => 'date: "%Y"', "scalar"],
    [() => 'map: "x"', "list"],
    [() => "sort", "list"],
    [() => "slice: 0", "list"],
    [() => "truncate: 3", "scalar"],
  ],
  bool: [
    [() => `default: ${part()}`, "scalar"],
    [() => `default: ${part()}, allow_false: true`, "scalar"],
    [() => `default: ${part()}, allow_false: false`, "scalar"],
    [() => "upcase", "text"],
    [() => "plus: 1", "number"],
    [() => "json", "text"],
  ],
  scalar: [
    [() => `default: ${part()}`, "scalar"],
    [() => `append: ${part()}`, "text"],
  ],
  scalars: [
    [() => 'join: "|"', "text"],
    [() => "size", "number"],
  ],
};

const dateValue = () =>
  random() < 0.6 ? "date" : one(["epoch", '"now"', '"today"', ...DATES.map(quoted)]);
const filtered = (kind, more = 3) => {
  let value = kind === "date" ? dateValue() : VALUES[kind]();
  let at = kind;
  if (kind === "list" && random() < 0.3) {
    value += " | " + one(FILTERS.sortable)[0]();
  }
  for (let i = below(more + 1); i > 0 || (kind === "date" && at === "date"); i--) {
    const [filter, next] = one(FILTERS[at]);
    value += one([" | ", " |", "|"]) + filter();
    at = next;
  }
  return value;
};
const KINDS = [
  "text",
  "text",
  "figure",
  "number",
  "number",
  "list",
  "list",
  "rows",
  "range",
  "date",
  "date",
  "missing",
  "bool",
  "scalar",
];
// Rows are objects, which ours prints as JSON: they are printed only through a filter.
const value = () => {
  const kind = one(KINDS);
  if (kind === "rows") {
    const [filter] = one(FILTERS.rows);
    return `${VALUES.rows()} | ${filter()}`;
  }
  if (kind === "range") {
    const [filter] = one(FILTERS.range);
    return `${VALUES.range()} | ${filter()}`;
  }
  return filtered(kind);
};

const comparison = () =>
  one([
    () =>
      `${VALUES.text()} ${one(["==", "!=", "contains", "<", ">", "<=", ">="])} ${VALUES.text()}`,
    () => `${VALUES.number()} ${one(["==", "!=", "<", ">", "<=", ">="])} ${VALUES.number()}`,
    () => `${VALUES.figure()} ${one(["<", ">", "<=", ">=", "=="])} ${VALUES.number()}`,
    () =>
      `${one([VALUES.text, VALUES.list, VALUES.missing, VALUES.bool, VALUES.number, VALUES.rows])()} ${one(["==", "!="])} ${one(["nil", "empty", "blank", "null"])}`,
    () =>
      `${one(["nil", "empty", "blank"])} == ${one([VALUES.text, VALUES.list, VALUES.number])()}`,
    () => `${VALUES.list()} contains ${one(['"a"', "1", "flow.data.list[0]", '"C"', "true"])}`,
    () => `${VALUES.text()} contains ${one(["1", '"o"', "flow.data.figure"])}`,
    () => `${VALUES.list()} == ${VALUES.list()}`,
    () => `${VALUES.missing()} ${one(["<", ">", "==", "!="])} ${VALUES.number()}`,
    () => `${VALUES.bool()} == ${VALUES.bool()}`,
    () => one([VALUES.text, VALUES.number, VALUES.list, VALUES.missing, VALUES.bool])(),
    () => `not ${VALUES.bool()}`,
    () => `${VALUES.number()}${one(["==", ">", "<="])}${one(["1", "2", "n"])}`,
  ])();
const condition = () => {
  let text = comparison();
  for (let i = below(3); i > 0; i--) text += one([" and ", " or "]) + comparison();
  return text;
};

const open = () => one(["{% ", "{%", "{%- ", "{%  "]);
const close = () => one([" %}", "%}", " -%}", "  %}"]);
const tag = (inner) => open() + inner + close();
const output = (inner) =>
  one(["{{ ", "{{", "{{- ", "{{  "]) + inner + one([" }}", "}}", " -}}", "\n}}"]);
const words = () =>
  one([
    "Hi ",
    " text\n",
    "\n  ",
    "",
    "a { b } c",
    " % } ",
    " Owl Clinic. ",
    "\t",
    "-",
    "¿qué? ",
    ". ",
  ]);
let names = 0;
const block = (depth, inLoop) => {
  let text = "";
  for (let i = 1 + below(3); i > 0; i--) text += words() + piece(depth - 1, inLoop) + words();
  return text;
};
const piece = (depth, inLoop) => {
  if (depth <= 0) return inLoop ? inner() : output(value());
  return one([
    () => output(value()),
    () => output(condition()),
    () =>
      tag(`if ${condition()}`) +
      block(depth, inLoop) +
      maybe(0.4, () => tag(`elsif ${condition()}`) + block(depth, inLoop)) +
      maybe(0.5, () => tag("else") + block(depth, inLoop)) +
      tag("endif"),
    () =>
      tag(`unless ${condition()}`) +
      block(depth, inLoop) +
      maybe(0.4, () => tag("else") + block(depth, inLoop)) +
      tag("endunless"),
    () =>
      tag(`case ${one([VALUES.text, VALUES.number, VALUES.figure])()}`) +
      words() +
      tag(
        `when ${one(['"YES"', "1", "flow.data.text", '"jane", "YES"', '1 or 2 or "no"', "flow.data.figure", "blank", "empty"])}`,
      ) +
      block(depth, inLoop) +
      maybe(
        0.5,
        () => tag(`when ${one(['"no"', "n, 7", '""', '"jane"'])}`) + block(depth, inLoop),
      ) +
      maybe(0.5, () => tag("else") + block(depth, inLoop)) +
      tag("endcase"),
    () => loop(depth),
    () => {
      const name = `v${names++ % 4}`;
      return (
        tag(`assign ${name} = ${one([value, condition])()}`) +
        words() +
        output(`${name}${maybe(0.3, () => one([".size", ".first", "[0]", "[-1]"]))}`)
      );
    },
    () => {
      const name = `v${names++ % 4}`;
      return (
        tag(`capture ${one([name, `"${name}"`])}`) +
        block(depth, inLoop) +
        tag("endcapture") +
        output(`${name} | ${one(["strip", "upcase", "size", "json"])}`)
      );
    },
    () => tag("comment") + block(0, false) + tag("endcomment"),
    () =>
      "{% raw %}" +
      one(["{{ x }}", "{% if %}", " a ", "", "{{", "{% end %}"]) +
      one(["{% endraw %}", "{%endraw%}", "{% endraw -%}"]),
    () =>
      tag(`${one(["increment", "decrement"])} ${one(["counter", "c2", "c2"])}`) +
      output(one(["counter", "c2"])),
    () =>
      tag(
        `cycle ${one(['"a", "b", "c"', '"g": "x", "y"', "flow.data.figure: 1, 2", '"a", "b", "c"'])}`,
      ),
    () => output(`v${below(4)}`),
  ])();
};
const inner = () =>
  one([
    () => output("item"),
    () => output("item.name"),
    () => output("forloop.index"),
    () => output("forloop.index0"),
    () => output("forloop.first"),
    () => output("forloop.last"),
    () => output("forloop.length"),
    () => output("forloop.rindex"),
    () => output("forloop.rindex0"),
    () =>
      tag(`if forloop.${one(["first", "last"])}`) + tag(one(["break", "continue"])) + tag("endif"),
    () => tag(`if item == ${one(["2", '"a"', '"jane"'])}`) + tag("continue") + tag("endif"),
    () => tag(`unless forloop.last`) + ", " + tag("endunless"),
    () => output(`item | append: "."`),
    () => tag('cycle "odd", "even"'),
    () => output("item[0]"),
    () => tag("assign last = item"),
    () => output("last"),
  ])();
const loop = (depth) => {
  const [list, scalars] = one([
    [VALUES.list(), true],
    [VALUES.range(), true],
    ["flow.data.text", true],
    ["flow.data.missing", true],
    [VALUES.rows(), false],
    ["widgets.http_1.parsed.object", false],
  ]);
  const head =
    maybe(0.3, () => ` limit:${one(["2", " 1", "0", "-1", "flow.data.list.size", '"2"'])}`) +
    maybe(0.3, () => ` offset: ${one(["1", "2", "9", "-1"])}`) +
    maybe(0.3, () => " reversed");
  // Elements that are objects are not printed as a whole.
  const body = scalars
    ? block(depth, true)
    : one([
        "{{ item.name }};",
        "{{ item.name | upcase }}{{ forloop.index }}",
        "{{ item[0] }}={{ item[1] }} ",
        "{{ item.age | plus: 1 }}{% unless forloop.last %},{% endunless %}",
        '{{ forloop.rindex }}{{ item.zip | default: "-" }}',
      ]);
  return (
    tag(`for item in ${list}${head}`) +
    body +
    maybe(0.4, () => tag("else") + block(0, false)) +
    tag("endfor")
  );
};
const template = () => {
  const depth = below(4);
  let text = "";
  for (let i = 1 + below(3); i > 0; i--) text += words() + piece(depth, false) + words();
  return text;
};

const engine = new Liquid({ locale: "en-US", strictFilters: true });
engine.registerFilter("to_json", function (value) {
  return engine.filters.json.call(this, value);
});

// Each filter and each form of a date at least once, whatever the seed.
const fixed = [];
for (const [kind, filters] of Object.entries(FILTERS)) {
  const from = { sortable: "list", scalars: "list", date: null }[kind] ?? kind;
  for (const [filter] of filters)
    fixed.push(() => `{{ ${kind === "date" ? dateValue() : VALUES[from]()} | ${filter()} }}`);
}
for (const format of FORMATS)
  for (const date of ["date", "epoch", '"now"'])
    fixed.push(() => `{{ ${date} | date: ${quoted(format)} }}`);
for (const date of DATES)
  fixed.push(() => `{{ ${quoted(date)} | date: "%Y-%m-%dT%H:%M:%S.%L%z" }}`);

let written = 0;
const started = Date.UTC(2026, 10, 23, 7, 5, 9, 40);
for (let number = 0; written < count && number < count * 3; number++) {
  const vector = {
    template: (fixed[number] ?? template)(),
    scope: scope(),
    now: started + below(4e10),
    zone: one(ZONES),
  };
  // A zone that is told is shown wrongly by liquidjs if the system's own clocks change around that hour.
  if (/date: ('[^']*'|"[^"]*"), ["\d-]/.test(vector.template)) vector.zone = "UTC";
  process.env.TZ = vector.zone;
  Date.now = () => vector.now;
  let text;
  try {
    text = engine.parseAndRenderSync(vector.template, structuredClone(vector.scope));
  } catch (error) {
    process.stderr.write(`liquidjs refuses ${JSON.stringify(vector.template)}: ${error.message}\n`);
    process.exitCode = 1;
    break;
  }
  // Ours writes no narrow space into a time: one such character makes a text message twice as long.
  vector.output = text.replaceAll("\u202f", " ");
  // Not ours: what is no number, objects as a whole, and units of half a character.
  if (
    /NaN|Infinity|\[object |[\ud800-\udfff]/.test(vector.output) ||
    /undefined/.test(vector.output)
  )
    continue;
  process.stdout.write(JSON.stringify(vector) + "\n");
  written++;
}
