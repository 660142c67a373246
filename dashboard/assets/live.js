/* Age of the data, stale-data warning, polling without WebSocket, reload after an outage, navigation and acknowledge clicks. */
(function () {
  "use strict";
  const { tr, number, lang } = window.pumpwatch;
  const OLD_S = 5, LATE_S = 4, LOST_S = 8, SLEPT_MS = 5000, LAG_MS = 1000, FIRST_PUSH_S = 4, POLL_TIMEOUT_MS = 6000;
  const HANGS = tr("The dashboard server does not answer: it hangs, or the network does. The stream processor may be running."), CUT = tr("Connection to the dashboard server lost; reconnecting.");
  const root = JSON.parse(document.getElementById("_dash-config").textContent).requests_pathname_prefix.replace(/\/$/, "");
  let age_ms = null, lag_ms = 0, heard_at = performance.now(), beat_at = performance.now(), answers = 0, pressed = null, outage_reason = "", parts = "", trouble = "", ticked_at = performance.now(), ticked_wall = Date.now();
  let pushed = false, pushed_at = performance.now(), polling = false, polled = null, refusal = "", refused = 0;
  const dash = () => window.dash_clientside;
  const now = () => performance.now();

  function heard(age, lag, at) { age_ms = age; lag_ms = lag || 0; heard_at = at; }
  function data_age_s() { return age_ms === null ? null : (age_ms + now() - heard_at) / 1000; }
  function whole(s) { return s < 120 ? Math.floor(s) + " s" : s < 7200 ? Math.floor(s / 60) + " min" : Math.floor(s / 3600) + " h"; }
  function precise(s) { return s < 10 ? number(s, { minimumFractionDigits: 1, maximumFractionDigits: 1 }) + " s" : whole(s); }

  /* Beats come at least every 2.5 s: if they are late, nothing is known of the processor, and it is not blamed. */
  function reason(silent_s) {
    if (silent_s <= LATE_S) return outage_reason ? outage_reason + " " + tr("New alarms reach pagers only.") : tr("The stream processor has stopped updating.");
    return navigator.onLine ? trouble || tr("The dashboard server is silent.") : tr("This device is offline.");
  }

  /* While a device sleeps, the clock of timers may stand still: what was fresh before is old now. */
  function wake() {
    const slept_ms = Date.now() - ticked_wall - (now() - ticked_at);
    ticked_at = now();
    ticked_wall = Date.now();
    if (slept_ms < SLEPT_MS) return;
    heard_at -= slept_ms;
    beat_at -= slept_ms;
    pushed_at -= slept_ms;
    look();
  }

  function tick() {
    wake();
    const age = data_age_s(), silent_s = (now() - beat_at) / 1000, lost = silent_s > LOST_S;
    const old = age === null ? silent_s > OLD_S : age > OLD_S;
    const label = document.getElementById("age"), banner = document.getElementById("stale");
    if (!label || !banner) return;
    const lagging = lag_ms >= LAG_MS;
    const says = age === null ? tr("no data yet") : lagging ? tr("alarms {age}, values {lag} old", { age: precise(age), lag: precise(age + lag_ms / 1000) }) : tr("data {age} old", { age: precise(age) });
    const state = old ? "old" : "fresh", aged = old && age !== null || lost, page = document.documentElement.classList;
    if (label.textContent !== says) label.textContent = says;
    if (label.dataset.state !== state) label.dataset.state = state;
    if (page.contains("aged") !== aged) page.toggle("aged", aged);
    const why = reason(silent_s);
    const warning = age === null
      ? (silent_s > LATE_S ? tr("No data yet.") + " " + why : tr("No data yet: waiting for the stream processor."))
      : tr("No data for {age}: this screen may be out of date.", { age: whole(age) }) + " " + why;
    const text = [refusal || (old || lost ? warning : ""), lost ? "" : parts].filter(Boolean).join(" ");
    if (banner.textContent !== text) banner.textContent = text;
  }

  /* Polls while nothing is pushed: a proxy may not pass WebSockets. */
  async function look() {
    const quiet_s = (now() - pushed_at) / 1000;
    if (quiet_s < (pushed ? Math.min(LATE_S, LOST_S) : FIRST_PUSH_S)) { answers = refused = 0; say(""); return; }
    if (polling) return;
    polling = true;
    answers = await poll() ? answers + 1 : 0;
    polling = false;
    if ((now() - pushed_at) / 1000 < FIRST_PUSH_S) return;
    const means = tr("the proxy does not pass WebSockets");
    say(answers >= 2 ? tr("Live by polling: {why}", { why: means }) : "");
  }

  function say(text) {
    const line = document.getElementById("transport");
    if (line && line.textContent !== text) line.textContent = text;
  }

  async function poll() {
    const asked_at = now();
    try {
      const answer = await fetch(root + "/live", { method: "POST", cache: "no-store", signal: AbortSignal.timeout(POLL_TIMEOUT_MS) });
      /* A tab that signs in anew changes the cookie of all: one that asked with the old one asks again. */
      if (answer.status === 401) {
        refused += 1;
        if (refused > 1) location.reload();
        return false;
      }
      refused = 0;
      refusal = answer.status === 403 ? await answer.text() : "";
      if (!answer.ok) { trouble = tr("The dashboard server cannot be reached (status {status}).", { status: answer.status }); return false; }
      trouble = "";
      const live = await answer.json(), version = live.count + " " + live.version;
      const beat = { age_ms: live.age_ms, lag_ms: live.lag_ms, at: live.at, why: live.why, parts: live.parts, asked_at };
      window.pumpwatch.push.hear(version === polled ? { beat } : { beat, newest: live });
      polled = version;
      return true;
    } catch (error) {
      trouble = error.name === "TimeoutError" ? HANGS : CUT;
      return false;
    }
  }

  /* The server writes its texts in the zone of this cookie; a browser that does not tell its zone gets UTC. */
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  document.cookie = "zone=" + zone + "; path=/; max-age=31536000; samesite=lax";

  const MOMENT = new Intl.DateTimeFormat(lang === "en" ? "en-GB" : lang, { timeZone: zone, day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" });
  const OFFSET = new Intl.DateTimeFormat("en-GB", { timeZone: zone, timeZoneName: "shortOffset" });

  function moment(ms) {
    const at = new Date(ms);
    if (Number.isNaN(at.getTime()) || at.getUTCFullYear() > 9999) return tr("beyond year 9999");
    const name = OFFSET.formatToParts(at).find((part) => part.type === "timeZoneName").value;
    const time = MOMENT.format(at);
    return time + " " + name.replace(/^GMT(\+0$)?/, "UTC").replace("-", "−");
  }

  /* Written into the page by hand: a callback of Dash costs a browser many times as much, with every snapshot. */
  function head(live) {
    if (!live.therapy_ms) return;
    const speed = live.speed === 1 ? tr("real time") : "×" + Number(live.speed.toPrecision(6));
    const worst = ["", "high", "medium", "low"][live.worst] || "";
    const days = live.therapy_start && !live.mixed && live.therapy_ms < 253402300799999 ? window.pumpwatch_clocks.therapy_day(live.therapy_ms, live.therapy_start, zone) : 0;
    const day = live.real ? "" : days > 0 ? tr("Therapy day {day}", { day: days }) + ", " : tr("Therapy time") + " ";
    write("therapy", day + moment(live.therapy_ms) + " · " + speed + (live.mixed ? " " + tr("(most pumps)") : ""));
    const count = write("nav-alarms", live.waiting ? String(live.waiting) : "");
    if (count && count.className !== "nav-count " + worst) count.className = "nav-count " + worst;
  }

  function write(id, text) {
    const node = document.getElementById(id);
    if (node && node.textContent !== text) node.textContent = text;
    return node;
  }

  function beats(beat) {
    beat_at = beat.asked_at === undefined ? now() : beat.asked_at;
    if (beat.asked_at === undefined) { pushed = true; pushed_at = beat_at; refusal = ""; say(""); }
    outage_reason = beat.why || "";
    parts = beat.parts || "";
    heard(beat.age_ms, beat.lag_ms, beat_at);
    const label = document.getElementById("age");
    if (!label || label.dataset.state !== "fresh" || document.documentElement.classList.contains("aged")) tick();
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    pumpwatch: Object.assign({}, (window.dash_clientside || {}).pumpwatch, {
      here(path) {
        for (const link of document.querySelectorAll(".nav-link")) {
          const same = link.getAttribute("href") === path;
          link.classList.toggle("here", same);
          if (same) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
        }
        const more = document.getElementById("more-button");
        if (more) more.classList.toggle("here", Boolean(document.querySelector("#more .here")));
        return "stale";
      },
    }),
  });

  function watch_scheme() {
    const page = document.documentElement;
    const update = () => dash().set_props("scheme", { data: page.getAttribute("data-mantine-color-scheme") });
    new MutationObserver(update).observe(page, { attributeFilter: ["data-mantine-color-scheme"] });
    update();
  }

  /* Lists move under the pointer: a click counts only on the button on which it began. */
  document.addEventListener("pointerdown", (event) => {
    const target = event.target.closest("[data-ack]");
    pressed = target && target.dataset.ack;
  });
  document.addEventListener("click", (event) => {
    const ack = event.target.closest("[data-ack]"), link = event.target.closest("a[data-go]");
    if (ack && (event.detail === 0 || pressed === ack.dataset.ack)) {
      ack.setAttribute("aria-busy", "true");
      setTimeout(() => ack.removeAttribute("aria-busy"), 3000);
      dash().set_props("ack", { data: Object.assign(JSON.parse(ack.dataset.ack), { n: Date.now() }) });
    } else if (link && !event.metaKey && !event.ctrlKey && !event.shiftKey && event.button === 0) {
      event.preventDefault();
      window.pumpwatch.go(link.getAttribute("href"));
    }
  });
  window.pumpwatch = Object.assign(window.pumpwatch || {}, {
    path: (path) => root + path, beats, head, poll,
    go(href) {
      history.pushState({}, "", href);
      window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
      window.scrollTo(0, 0);
    },
  });

  const waiting = setInterval(() => {
    if (document.getElementById("age") && dash() && dash().set_props) { clearInterval(waiting); watch_scheme(); }
  }, 50);
  document.addEventListener("pumpwatch:half-second", tick);
  setInterval(look, 2000);
})();
