/* Pages of engineers: buttons of lists that the server redraws, and the name of the field for a scenario file. */
(function () {
  "use strict";
  /* A click puts the value of data-choose into the store that data-store names. */
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-choose]");
    if (button) window.dash_clientside.set_props(button.dataset.store, { data: button.dataset.choose });
  });
  /* Dash gives its file input no name, which screen readers need, and makes the input anew now and then. */
  new MutationObserver(() => {
    const upload = document.getElementById("scenario-upload");
    const input = upload && upload.querySelector("input[type=file]:not([aria-label])");
    if (input) input.setAttribute("aria-label", "Scenario file (TOML)");
  }).observe(document.documentElement, { childList: true, subtree: true });
})();
