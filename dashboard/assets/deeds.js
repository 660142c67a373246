/* Buttons that want something done with alarms, wherever they stand: the frame's dialog does it. */
(function () {
  "use strict";
  let pressed = null;
  document.addEventListener("pointerdown", (event) => {
    const target = event.target.closest("[data-deed]");
    pressed = target && target.dataset.deed;
  });
  document.addEventListener("click", (event) => {
    const target = event.target.closest("[data-deed]");
    if (!target || (event.detail !== 0 && pressed !== target.dataset.deed)) return;
    window.dash_clientside.set_props("deed", { data: Object.assign(JSON.parse(target.dataset.deed), { n: Date.now() }) });
  });
  window.dash_clientside = Object.assign({}, window.dash_clientside);
  window.dash_clientside.pumpwatch = Object.assign({}, window.dash_clientside.pumpwatch, {
    chosen: (rows) => (rows || []).map((row) => row.alarm),
  });
})();
