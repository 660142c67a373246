// Buttons in lists that the server redraws: a click puts the value of data-choose into the store that data-store names.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-choose]");
  if (button && window.dash_clientside && dash_clientside.set_props) {
    dash_clientside.set_props(button.dataset.store, { data: button.dataset.choose });
  }
});
