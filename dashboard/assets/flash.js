/* Flashing of unacknowledged alarms, 2 Hz for high and 0.6 Hz for medium priority (IEC 60601-1-8): four changes a second, where an
   animation in CSS makes the browser draw sixty frames. */
(function () {
  "use strict";
  const HALF_MS = { high: 250, medium: 833 }, page = document.documentElement, still = matchMedia("(prefers-reduced-motion: reduce)");

  function flash(priority) {
    const name = "data-flash-" + priority, on = !document.hidden && !still.matches && !page.hasAttribute(name) && document.querySelector(".mark.waiting." + priority);
    if (on) page.setAttribute(name, ""); else if (page.hasAttribute(name)) page.removeAttribute(name);
  }
  for (const [priority, half_ms] of Object.entries(HALF_MS)) setInterval(() => flash(priority), half_ms);
})();
