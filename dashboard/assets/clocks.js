/* Durations and therapy times as dashboard/clocks.py writes them: a test holds both to the same texts. */
(function () {
  "use strict";
  const { tr, number } = window.pumpwatch;
  const known = (value) => typeof value === "number" && Number.isFinite(value);
  const two = (whole, large, small) => {
    const many = Math.floor(whole / large[0]), few = Math.floor((whole % large[0]) / small[0]);
    return many + " " + large[1] + (few && many < 10 ? " " + few + " " + small[1] : "");
  };

  /* At most two units: "40 s", "12 min", "3 h 20 min", "2 d 4 h". */
  function span(seconds) {
    if (!known(seconds)) return tr("unknown");
    const whole = Math.max(0, Math.trunc(seconds));
    if (whole < 60) return whole + " s";
    if (whole < 3600) return Math.floor(whole / 60) + " min";
    return whole < 86400 ? two(whole, [3600, "h"], [60, "min"]) : two(whole, [86400, tr("d")], [3600, "h"]);
  }

  const times = (speed) => "×" + number(Number(speed.toPrecision(6)), { maximumFractionDigits: 9 });

  /* How long a therapy duration is for a person: "5 min here at ×60"; "" in real time. */
  function here(seconds, speed, short) {
    if (!known(seconds) || !known(speed) || speed <= 0 || speed === 1) return "";
    const wall = seconds / speed, lasts = wall >= 1 || wall <= 0 ? span(wall) : tr("under 1 s");
    return short ? tr("{lasts} here", { lasts }) : tr("{lasts} here at {times}", { lasts, times: times(speed) });
  }

  function with_here(text, seconds, speed, short) {
    const lasts = here(seconds, speed, short);
    return !lasts ? text : text.endsWith(")") ? text + ", " + lasts : text + " (" + lasts + ")";
  }

  /* Day of therapy in a zone; day 1 is that of the start. */
  function therapy_day(ms, start, zone) {
    const date = (at) => {
      const parts = Object.fromEntries(new Intl.DateTimeFormat("en-GB", { timeZone: zone, year: "numeric", month: "numeric", day: "numeric" }).formatToParts(new Date(at)).map((part) => [part.type, part.value]));
      return Date.UTC(Number(parts.year), Number(parts.month) - 1, Number(parts.day));
    };
    return Math.round((date(ms) - date(start)) / 86400000) + 1;
  }

  window.pumpwatch_clocks = {
    span, here, with_here, therapy_day,
    moment: (ms) => new Date(ms).toLocaleString(document.documentElement.lang || "en-GB", { ...(ms - Date.now() < 72000000 ? {} : { day: "numeric", month: "short" }), hour: "2-digit", minute: "2-digit" }),
    since: (seconds, speed, short) => with_here(tr("for {duration}", { duration: span(seconds) }), seconds, speed, short),
    ago: (seconds, speed, short) => with_here(tr("{duration} ago", { duration: span(seconds) }), seconds, speed, short),
    left: (seconds, speed, short) => with_here(tr("{duration} left", { duration: span(seconds) }), seconds, speed, short),
  };
})();
