/* Alarm actions: a click on a button with data-action, data-service, data-retirement, data-account or data-session sets the store that dialogs listen to. */
(function () {
  "use strict";
  function listen(store) {
    let pressed = null;
    document.addEventListener("pointerdown", (event) => {
      const target = event.target.closest("[data-" + store + "]");
      pressed = target && target.dataset[store];
    });
    document.addEventListener("click", (event) => {
      const target = event.target.closest("[data-" + store + "]");
      if (!target || (event.detail !== 0 && pressed !== target.dataset[store])) return;
      window.dash_clientside.set_props(store, { data: Object.assign(JSON.parse(target.dataset[store]), { n: Date.now() }) });
    });
  }
  listen("action");
  listen("service");
  listen("retirement");
  listen("account");
  listen("session");
})();
