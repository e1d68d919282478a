// The pool page. Data comes from api/v1/summary (counts, every few seconds) and from
// api/v1/changes (ads, as they come and go). Every text of theirs goes into the page
// as text, never as markup.
"use strict";

const SUMMARY_EVERY_MS = 5000;
const RENDER_EVERY_MS = 1000;
const RECONNECT_MS = 5000;
const ROWS_AT_ONCE = 200;
const SAMPLES = 120;

const PROJECTION = ["MyType", "Name", "Machine", "State", "Activity", "Cpus", "Memory",
  "LoadAvg", "OpSysAndVer", "Arch", "RemoteOwner", "EnteredCurrentActivity",
  "LastHeardFrom", "TotalRunningJobs", "TotalIdleJobs", "TotalHeldJobs", "NumUsers",
  "RunningJobs", "IdleJobs", "HeldJobs", "ScheddName", "CondorVersion"];

// By type and key, as the server names them.
const ads = new Map();
const samples = [];
let serverAheadSeconds = 0;
let shownRows = ROWS_AT_ONCE;
let renderTimer = null;

const byId = (id) => document.getElementById(id);
const integer = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const tenths = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const hundredths = new Intl.NumberFormat("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const collator = new Intl.Collator("en", { numeric: true });

function make(tag, properties, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children.map((child) => child ?? ""));
  return element;
}

function draw(tag, attributes) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const pair of Object.entries(attributes)) element.setAttribute(...pair);
  return element;
}

// Numbers, and texts for people.

const sum = (list, of) => list.reduce((total, each) => total + (Number(of(each)) || 0), 0);
const serverNow = () => Date.now() / 1000 + serverAheadSeconds;

function duration(seconds) {
  if (!Number.isFinite(seconds)) return "";
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min`;
  if (whole < 86400) return `${Math.floor(whole / 3600)} h ${Math.floor(whole / 60) % 60} min`;
  return `${Math.floor(whole / 86400)} d ${Math.floor(whole / 3600) % 24} h`;
}

const memory = (mib) => (Number.isFinite(mib) ? `${tenths.format(mib / 1024)} GiB` : "");
const version = (text) => /\d+\.\d+\.\d+/.exec(text ?? "")?.[0] ?? "";

// What can be listed: rows, and columns of title, value, and optionally a text for it.

const ofType = (...types) => [...ads.values()].filter((each) => types.includes(each.type));
const name = { title: "Name", of: (row) => row.ad.Name ?? row.key, opens: true };
const attribute = (title, key, as) => ({ title, of: (row) => row.ad[key], as });
const since = (title, key) => ({ title, of: (row) => serverNow() - row.ad[key], as: duration });
const heard = since("Heard", "LastHeardFrom");

function machines() {
  const found = new Map();
  for (const slot of ofType("Machine")) {
    const machine = String(slot.ad.Machine ?? slot.key);
    if (!found.has(machine)) found.set(machine, { type: "Machine", key: machine, ad: slot.ad, slots: [] });
    found.get(machine).slots.push(slot.ad);
  }
  return [...found.values()];
}

const VIEWS = {
  Machines: {
    rows: machines,
    columns: [
      { title: "Machine", of: (row) => row.key },
      { title: "Slots", of: (row) => row.slots.length },
      { title: "Claimed", of: (row) => row.slots.filter((slot) => slot.State === "Claimed").length },
      { title: "Cpus", of: (row) => sum(row.slots, (slot) => slot.Cpus) },
      { title: "Memory", of: (row) => sum(row.slots, (slot) => slot.Memory), as: memory },
      { title: "Load", of: (row) => sum(row.slots, (slot) => slot.LoadAvg), as: hundredths.format },
      attribute("System", "OpSysAndVer"),
      attribute("Arch", "Arch"),
      { title: "Heard", of: (row) => serverNow() - Math.max(...row.slots.map((slot) => slot.LastHeardFrom)), as: duration },
    ],
  },
  Slots: {
    rows: () => ofType("Machine"),
    columns: [name, attribute("State", "State"), attribute("Activity", "Activity"),
      since("For", "EnteredCurrentActivity"), attribute("Cpus", "Cpus"),
      attribute("Memory", "Memory", memory), attribute("Load", "LoadAvg", hundredths.format),
      attribute("User", "RemoteOwner"), heard],
  },
  Schedds: {
    rows: () => ofType("Scheduler"),
    columns: [name, attribute("Machine", "Machine"), attribute("Running", "TotalRunningJobs"),
      attribute("Idle", "TotalIdleJobs"), attribute("Held", "TotalHeldJobs"),
      attribute("Users", "NumUsers"), heard],
  },
  Submitters: {
    rows: () => ofType("Submitter"),
    columns: [name, attribute("Schedd", "ScheddName"), attribute("Running", "RunningJobs"),
      attribute("Idle", "IdleJobs"), attribute("Held", "HeldJobs"), heard],
  },
  "Other ads": {
    rows: () => [...ads.values()].filter((each) => !["Machine", "Scheduler", "Submitter"].includes(each.type)),
    columns: [{ title: "Type", of: (row) => row.type }, name, attribute("Machine", "Machine"),
      { title: "Version", of: (row) => version(row.ad.CondorVersion) }, heard],
  },
};
let view = "Machines";
let order = { column: 0, rising: true };

// The table.

function compare(left, right) {
  if (left === right) return 0;
  if (left === undefined || left === null || Number.isNaN(left)) return 1;
  if (right === undefined || right === null || Number.isNaN(right)) return -1;
  if (typeof left === "number" && typeof right === "number") return left - right;
  return collator.compare(String(left), String(right));
}

function shownText(column, value) {
  if (value === undefined || value === null || Number.isNaN(value)) return "";
  if (typeof value !== "number") return typeof value === "object" ? JSON.stringify(value) : String(value);
  return column.as ? column.as(value) : integer.format(value);
}

function renderHead() {
  byId("head").replaceChildren(...VIEWS[view].columns.map((column, index) => {
    const sorted = index === order.column;
    const button = make("button", { type: "button", textContent: column.title });
    button.addEventListener("click", () => {
      order = { column: index, rising: !(sorted && order.rising) };
      renderHead();
      byId("head").children[index].firstChild.focus();
      render();
    });
    const head = make("th", { scope: "col" }, button);
    if (sorted) head.ariaSort = order.rising ? "ascending" : "descending";
    return head;
  }));
}

function renderTable() {
  const { rows, columns } = VIEWS[view];
  const words = byId("search").value.toLowerCase().split(/\s+/).filter(Boolean);
  const all = rows().map((row) => ({ row, values: columns.map((column) => column.of(row)) }));
  const found = words.length === 0 ? [...all] : all.filter(({ values }) => {
    const text = values.join("\n").toLowerCase();
    return words.every((word) => text.includes(word));
  });
  const sign = order.rising ? 1 : -1;
  found.sort((left, right) => sign * compare(left.values[order.column], right.values[order.column]));
  const focused = document.activeElement?.dataset?.key;
  byId("rows").replaceChildren(...found.slice(0, shownRows).map(({ row, values }) => make("tr", {},
    ...columns.map((column, index) => {
      const text = shownText(column, values[index]);
      const cell = make("td", { className: typeof values[index] === "number" ? "number" : "" });
      if (column.opens) {
        const button = make("button", { type: "button", textContent: text });
        button.dataset.key = `${row.type}\n${row.key}`;
        button.addEventListener("click", () => openAd(row));
        cell.append(button);
        if (button.dataset.key === focused) queueMicrotask(() => button.focus({ preventScroll: true }));
      } else {
        cell.textContent = text;
      }
      return cell;
    }))));
  for (const [index, head] of [...byId("head").children].entries()) {
    head.classList.toggle("number", typeof found[0]?.values[index] === "number");
  }
  byId("shown").textContent = `${integer.format(Math.min(found.length, shownRows))} of `
    + `${integer.format(found.length)} shown, ${integer.format(all.length)} in all`;
  byId("more").hidden = found.length <= shownRows;
}

async function openAd({ type, key, ad }) {
  byId("ad-name").textContent = String(ad.Name ?? key);
  byId("ad-lines").replaceChildren(make("dt", { textContent: "loading" }));
  byId("ad").showModal();
  const quoted = String(ad.Name ?? "").replaceAll('"', '\\"');
  const query = new URLSearchParams({ type, constraint: `Name =?= "${quoted}"`, limit: "1" });
  try {
    const response = await fetch(`api/v1/ads?${query}`);
    const found = await response.json();
    if (!response.ok) throw new Error(found.error);
    const lines = Object.entries(found[0] ?? {}).sort(([left], [right]) => compare(left, right));
    byId("ad-lines").replaceChildren(...lines.flatMap(([title, value]) => [
      make("dt", { textContent: title }),
      make("dd", { textContent: typeof value === "object" ? JSON.stringify(value) : String(value) }),
    ]));
  } catch (error) {
    byId("ad-lines").replaceChildren(make("dt", { textContent: "error" }), make("dd", { textContent: error.message }));
  }
}

function render() {
  clearTimeout(renderTimer);
  renderTimer = null;
  renderTable();
}

function renderSoon() {
  renderTimer ??= setTimeout(() => {
    renderTimer = null;
    if (byId("rows").matches(":active")) renderSoon(); // Somebody is just clicking there.
    else render();
  }, RENDER_EVERY_MS);
}

// Counts and counters.

function tile(title, value, below) {
  return make("div", {}, make("dt", { textContent: title }),
    make("dd", { textContent: value }, make("small", { textContent: below ?? "" })));
}

function renderSummary(summary) {
  const counters = summary.counters;
  const total = (values) => sum(Object.values(values), (value) => value);
  const queries = sum(Object.entries(counters), ([key, value]) => (/^(InProc|Fork)QueriesFrom/.test(key) ? value : 0));
  samples.push({ time: Date.now() / 1000, updates: counters.UpdatesTotal, queries });
  if (samples.length > SAMPLES) samples.shift();
  serverAheadSeconds = summary.time_unix - Date.now() / 1000;
  const rates = samples.slice(1).map((sample, index) => {
    const seconds = sample.time - samples[index].time;
    return ["updates", "queries"].map((kind) => Math.max(0, sample[kind] - samples[index][kind]) / seconds);
  });
  const [updateRate, queryRate] = rates.at(-1) ?? [];
  const rate = (value) => (value === undefined ? "\u2013" : tenths.format(value));

  document.title = `${summary.name} \u2013 HTCondor pool`;
  byId("pool").textContent = summary.name;
  byId("facts").textContent = `${summary.address} \u2013 collector ${version(summary.version)}, `
    + `up ${duration(counters.StatsLifetime)}`;
  byId("warming").hidden = summary.status === "ready";
  byId("tiles").replaceChildren(
    tile("Slots", integer.format(total(summary.slots)), `${integer.format(summary.slots.Claimed ?? 0)} claimed`),
    tile("Cpus", integer.format(total(summary.cpus)), `${integer.format(summary.cpus.Claimed ?? 0)} claimed`),
    tile("Jobs running", integer.format(summary.running_jobs), `${integer.format(summary.idle_jobs)} idle`),
    tile("Updates/s", rate(updateRate), `${integer.format(counters.UpdatesTotal)} since start`),
    tile("Queries/s", rate(queryRate), `${integer.format(queries)} since start`),
    tile("Updates lost", integer.format(counters.UpdatesLost), `${tenths.format(100 * counters.UpdatesLostRatio)} %`),
    tile("Queries dropped", integer.format(counters.DroppedQueries), "for lack of workers"),
    tile("Memory of ads", `${tenths.format(summary.stored_bytes / 2 ** 20)} MiB`, `${integer.format(total(summary.ads))} ads`),
  );

  const states = Object.entries(summary.slots).sort(([, left], [, right]) => right - left);
  const all = total(summary.slots) || 1;
  let at = 0;
  byId("bar").replaceChildren(...states.map(([state, count]) => {
    const width = (1000 * count) / all;
    const part = draw("rect", { x: at, y: 0, width, height: 40, class: state.toLowerCase() });
    at += width;
    return part;
  }));
  byId("states").replaceChildren(...states.map(([state, count]) => make("li", {},
    make("span", { className: `swatch ${state.toLowerCase()}` }), `${state} `,
    make("b", { textContent: integer.format(count) }), ` (${Math.round((100 * count) / all)} %)`)));
  byId("types").replaceChildren(...Object.entries(summary.ads).map(([type, count]) => make("li", {},
    `${type} `, make("b", { textContent: integer.format(count) }))));

  const most = Math.max(1, ...rates.map(([updates]) => updates));
  const points = rates.map(([updates], index) => `${600 - (600 * (rates.length - 1 - index)) / (SAMPLES - 2)},${78 - (76 * updates) / most}`);
  byId("rate").replaceChildren(draw("polyline", { points: points.join(" ") }));
  byId("rate-text").textContent = `now ${rate(updateRate)}, at most ${tenths.format(most)} in the last `
    + duration((samples.at(-1).time - samples[0].time) || 0);
}

async function pollSummary() {
  try {
    const response = await fetch("api/v1/summary");
    if (response.ok) renderSummary(await response.json());
  } catch { /* The status says so already. */ }
  setTimeout(pollSummary, SUMMARY_EVERY_MS);
}

// The stream of changes.

const showStatus = (text, style) =>
  Object.assign(byId("status"), { textContent: text, className: `badge ${style}` });

function connect() {
  const query = new URLSearchParams({ type: "Any", snapshot: "true", projection: PROJECTION.join(",") });
  const stream = new EventSource(`api/v1/changes?${query}`);
  const on = (event, act) => stream.addEventListener(event, ({ data }) => {
    act(JSON.parse(data));
    renderSoon();
  });
  on("ad", (change) => ads.set(`${change.type}\n${change.key}`, change));
  on("removed", (change) => ads.delete(`${change.type}\n${change.key}`));
  on("reset", () => ads.clear());
  stream.addEventListener("open", () => showStatus("live", "live"));
  stream.addEventListener("error", () => {
    showStatus("connection lost, trying again", "lost");
    if (stream.readyState !== EventSource.CLOSED) return;
    setTimeout(() => { ads.clear(); connect(); }, RECONNECT_MS);
  });
}

// The controls.

for (const title of Object.keys(VIEWS)) {
  const input = make("input", { type: "radio", name: "view", value: title, checked: title === view });
  input.addEventListener("change", () => {
    view = title;
    order = { column: 0, rising: true };
    shownRows = ROWS_AT_ONCE;
    renderHead();
    render();
  });
  byId("views").append(make("label", {}, input, title));
}
byId("controls").addEventListener("submit", (event) => event.preventDefault());
byId("search").addEventListener("input", () => { shownRows = ROWS_AT_ONCE; render(); });
byId("more").addEventListener("click", () => { shownRows += ROWS_AT_ONCE; render(); });
renderHead();
render();
connect();
pollSummary();
setInterval(renderSoon, SUMMARY_EVERY_MS);
