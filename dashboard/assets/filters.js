/* Filters behind a button on small screens: the button opens and closes them, and counts those that are set. */
(function () {
  "use strict";
  const { tr, number } = window.pumpwatch;
  const is_set = (value) => Boolean(value) && value !== "none" && value.length !== 0;

  document.addEventListener("click", (event) => {
    const button = event.target.closest(".filters-button");
    if (button) button.setAttribute("aria-expanded", String(button.getAttribute("aria-expanded") !== "true"));
  });

  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    filters(...values) {
      const count = values.filter(is_set).length;
      return count ? tr("Filters ({count})", { count: number(count) }) : tr("Filters");
    },
  });
})();
