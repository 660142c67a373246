/* Age of the data, stale-data warning, reload after an outage, navigation and acknowledge clicks. */
(function () {
  "use strict";
  const OLD_S = 5, LOST_S = 8, RELOAD_PAUSE_MS = 20000;
  let age_ms = null, heard_at = performance.now(), beat_at = performance.now(), answers = 0, pressed = null, outage_reason = "";
  const dash = () => window.dash_clientside;
  const now = () => performance.now();

  function heard(age) { age_ms = age; heard_at = now(); }
  function data_age_s() { return age_ms === null ? null : (age_ms + now() - heard_at) / 1000; }
  function whole(s) { return s < 120 ? Math.floor(s) + " s" : Math.floor(s / 60) + " min"; }
  function precise(s) { return s < 10 ? s.toFixed(1) + " s" : whole(s); }

  function tick() {
    const age = data_age_s(), silent_s = (now() - beat_at) / 1000, lost = silent_s > LOST_S;
    const old = age === null ? silent_s > OLD_S : age > OLD_S;
    const label = document.getElementById("age"), banner = document.getElementById("stale");
    if (!label || !banner) return;
    label.textContent = age === null ? "no data yet" : "data " + precise(age) + " old";
    label.dataset.state = old ? "old" : "fresh";
    document.documentElement.classList.toggle("aged", old && age !== null || lost);
    const why = lost ? "Connection to the server lost; reconnecting." : outage_reason ? outage_reason + " New alarms reach pagers only." : "The stream processor has stopped updating.";
    const warning = age === null
      ? (lost ? "No connection to the server; reconnecting." : "No data yet: waiting for the stream processor.")
      : "No data for " + whole(age) + ": this screen may be out of date. " + why;
    const text = old || lost ? warning : "";
    if (banner.textContent !== text) banner.textContent = text;
  }

  async function look() {
    if (typeof SharedWorker === "undefined") return poll();
    if ((now() - beat_at) / 1000 < LOST_S) { answers = 0; return; }
    try { answers = (await fetch("/healthz", { cache: "no-store" })).ok ? answers + 1 : 0; } catch { answers = 0; }
    const last = Number(sessionStorage.getItem("reloaded") || 0);
    if (answers >= 2 && Date.now() - last > RELOAD_PAUSE_MS) {
      sessionStorage.setItem("reloaded", String(Date.now()));
      location.reload();
    }
  }

  async function poll() {  /* Dash pushes only to browsers with SharedWorker */
    try {
      const answer = await fetch("/live", { cache: "no-store" });
      if (answer.status === 401) return location.reload();
      const live = await answer.json();
      dash().set_props("live", { data: live });
      dash().set_props("beat", { data: { age_ms: live.age_ms, at: Date.now() } });
    } catch { /* the age of the data shows it */ }
  }

  /* The server writes its texts in the zone of this cookie; a browser that does not tell its zone gets UTC. */
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  document.cookie = "zone=" + zone + "; path=/; max-age=31536000; samesite=lax";

  function moment(ms) {
    const at = new Date(ms);
    if (Number.isNaN(at.getTime()) || at.getUTCFullYear() > 9999) return "beyond year 9999";
    const shown = (options) => new Intl.DateTimeFormat("en-GB", { timeZone: zone, ...options });
    const name = shown({ timeZoneName: "shortOffset" }).formatToParts(at).find((part) => part.type === "timeZoneName").value;
    const time = shown({ day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit" }).format(at);
    return time + " " + name.replace("GMT", "UTC").replace("-", "−");
  }

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    pumpwatch: Object.assign({}, (window.dash_clientside || {}).pumpwatch, {
      head(live) {
        if (!live || !live.therapy_ms) return ["", "", "nav-count"];
        const speed = live.speed === 1 ? "real time" : "×" + Number(live.speed.toPrecision(6));
        const worst = live.high ? "high" : live.medium ? "medium" : live.low ? "low" : "";
        document.title = (live.waiting ? "(" + live.waiting + ") " : "") + "Pumpwatch";
        const days = live.therapy_start ? Math.floor((live.therapy_ms - live.therapy_start) / 86400000) + 1 : 0;
        const day = days > 0 ? "Therapy day " + days + ", " : "Therapy time ";
        return [day + moment(live.therapy_ms) + " · " + speed + (live.mixed ? " (most pumps)" : ""), live.waiting ? String(live.waiting) : "", "nav-count " + worst];
      },
      beat(beat) {
        if (beat) { beat_at = now(); outage_reason = beat.why || ""; heard(beat.age_ms); tick(); }
        return "age";
      },
      here(path) {
        for (const link of document.querySelectorAll(".nav-link")) {
          const same = link.getAttribute("href") === path;
          link.classList.toggle("here", same);
          if (same) link.setAttribute("aria-current", "page"); else link.removeAttribute("aria-current");
        }
        return "stale";
      },
    }),
  });

  function watch_scheme() {
    const root = document.documentElement;
    const update = () => dash().set_props("scheme", { data: root.getAttribute("data-mantine-color-scheme") });
    new MutationObserver(update).observe(root, { attributeFilter: ["data-mantine-color-scheme"] });
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
  window.pumpwatch = {
    go(href) {
      history.pushState({}, "", href);
      window.dispatchEvent(new CustomEvent("_dashprivate_pushstate"));
      window.scrollTo(0, 0);
    },
  };

  const waiting = setInterval(() => {
    if (document.getElementById("age") && dash() && dash().set_props) { clearInterval(waiting); watch_scheme(); }
  }, 50);
  setInterval(tick, 250);
  setInterval(look, 2000);
})();
