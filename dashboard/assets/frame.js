/* Frame: the sheet behind "More", height of the header, focus after navigation, scrolling regions that keys reach. */
(function () {
  "use strict";
  const { tr } = window.pumpwatch;
  const HEADING_TIMEOUT_MS = 60000, REGIONS = ".scroll, .table, .worst, .fleet-map, [data-scrolls], .capacity-card, .cluster-card, #fault-explained, .scenario-file";
  let waiting_for = null;
  const by_id = (id) => document.getElementById(id);

  function open(yes) {
    const button = by_id("more-button");
    if (!button) return;
    button.closest(".nav").classList.toggle("open", yes);
    button.setAttribute("aria-expanded", String(yes));
  }
  const is_open = () => Boolean(document.querySelector(".nav.open"));

  /* A screen reader hears where it is; Dash replaces the page under the focus, which would otherwise be lost. A slow
     page may take long: until somebody puts the focus elsewhere, its heading gets it. */
  function focus_heading() {
    if (waiting_for) waiting_for.disconnect();
    const page = by_id("page"), left = page && page.querySelector("h1"), until = Date.now() + HEADING_TIMEOUT_MS;
    if (!page) return;
    const from = document.activeElement;
    let mine = null;
    const observer = (waiting_for = new MutationObserver(() => {
      const heading = page.querySelector("h1"), active = document.activeElement;
      const moved = active && ![document.body, from, mine].includes(active);
      if (moved || Date.now() > until) { observer.disconnect(); return; }
      if (!heading || heading === left || heading === mine) return;
      mine = heading; // it may be replaced once more while the page is drawn
      heading.tabIndex = -1;
      heading.focus({ preventScroll: true });
    }));
    observer.observe(page, { childList: true, subtree: true });
  }

  /* What scrolls must be reachable by keys, and have a name; what does not scroll must not hold them up. */
  function mark_regions() {
    for (const wrapper of document.querySelectorAll("div[aria-haspopup][aria-expanded]")) name_menu(wrapper);
    for (const control of document.querySelectorAll(".mantine-Pagination-control:not([aria-label])")) {
      if (!control.textContent) control.setAttribute("aria-label", control.nextElementSibling ? tr("Previous page") : tr("Next page"));
    }
    for (const field of document.querySelectorAll("input[type=file]:not([aria-label])")) {
      field.setAttribute("aria-label", field.parentElement.textContent.trim() || tr("File"));
    }
    for (const region of document.querySelectorAll(REGIONS)) {
      const scrolls = region.scrollWidth > region.clientWidth + 1 || region.scrollHeight > region.clientHeight + 1;
      if (scrolls === region.hasAttribute("data-scrolling")) continue;
      region.toggleAttribute("data-scrolling", scrolls);
      if (!scrolls) { for (const name of ["tabindex", "role", "aria-label"]) region.removeAttribute(name); continue; }
      const heading = (region.closest(".card") || document).querySelector("h2, h1, summary");
      region.tabIndex = 0;
      region.setAttribute("role", "region");
      region.setAttribute("aria-label", (heading && heading.textContent) || tr("Table"));
    }
  }

  /* Mantine wraps the button of a menu and says on the wrapper, which is no button, whether the menu is open. */
  function name_menu(wrapper) {
    const button = wrapper.matches("div[aria-haspopup]") && wrapper.querySelector(":scope > button");
    if (!button) return;
    for (const name of ["aria-expanded", "aria-haspopup", "aria-controls"]) {
      if (wrapper.hasAttribute(name)) button.setAttribute(name, wrapper.getAttribute(name));
      if (name !== "aria-haspopup") wrapper.removeAttribute(name);
    }
  }
  new MutationObserver((changes) => changes.forEach((change) => name_menu(change.target)))
    .observe(document.documentElement, { attributes: true, attributeFilter: ["aria-expanded"], subtree: true });

  document.addEventListener("click", (event) => {
    const target = event.target, asked = target.closest("[data-frame]");
    if (target.closest("#more-button")) {
      open(!is_open());
      if (is_open()) document.querySelector("#more a").focus();
      return;
    }
    if (is_open() && (!target.closest("#more") || target.closest("a, [data-frame]"))) open(false);
    if (target.closest(".skip")) { event.preventDefault(); by_id("content").focus(); }
    if (asked && asked.dataset.frame === "scheme") by_id("scheme-toggle").click();
    if (asked && asked.dataset.frame === "help") window.pumpwatch.keyboard.help();
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !is_open()) return;
    open(false);
    by_id("more-button").focus();
  });
  window.addEventListener("_dashprivate_pushstate", focus_heading);
  window.addEventListener("popstate", focus_heading);

  const ready = setInterval(() => {
    const head = document.querySelector(".head");
    if (!head) return;
    clearInterval(ready);
    new ResizeObserver(() => document.documentElement.style.setProperty("--head", head.offsetHeight + "px")).observe(head);
  }, 50);
  window.addEventListener("resize", mark_regions);
  document.addEventListener("pumpwatch:second", mark_regions);
})();
