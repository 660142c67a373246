/* Flashing of unacknowledged alarms, 2 Hz for high and 0.67 Hz for medium priority (IEC 60601-1-8): four changes a second, where an
   animation in CSS makes the browser draw sixty frames. What else changes with time is written in the same frames. */
(function () {
  "use strict";
  const HALF_MS = { high: 250, medium: 750 }, BEAT_MS = 250, page = document.documentElement, still = matchMedia("(prefers-reduced-motion: reduce)");

  function flash(priority) {
    const name = "data-flash-" + priority, on = !document.hidden && !still.matches && !page.hasAttribute(name) && document.querySelector(".mark.waiting." + priority);
    if (on) page.setAttribute(name, ""); else if (page.hasAttribute(name)) page.removeAttribute(name);
  }
  let beat = 0;
  setInterval(() => {
    beat++;
    for (const [priority, half_ms] of Object.entries(HALF_MS)) if ((beat * BEAT_MS) % half_ms === 0) flash(priority);
    if (beat % 2 === 0) document.dispatchEvent(new CustomEvent("pumpwatch:half-second"));
    if (beat % 4 === 0 && !document.hidden) document.dispatchEvent(new CustomEvent("pumpwatch:second"));
  }, BEAT_MS);
})();
