/* Keyboard: a registry of shortcuts to which pages add, moving in lists, opening rows of tables, help for all of it. */
(function () {
  "use strict";
  const { tr } = window.pumpwatch;
  const CHORD_MS = 1500, OFF = "single-key-shortcuts-off", ROWS = "[data-row], .line", added = [];
  let first = "", first_at = 0;
  const page = () => document.getElementById("page");
  const shown = (element) => element.getClientRects().length > 0;

  /* keys: "x", or "g x" for one after the other; text: what it does; run(event) returns false if it does not apply here. */
  function add(keys, text, run) {
    const same = added.findIndex((one) => one.keys === keys);
    if (same >= 0) added.splice(same, 1);
    added.push({ keys, text, run });
  }

  function links() {
    return [...document.querySelectorAll(".nav-link[data-key]")].filter((link) => link.dataset.key);
  }

  function rows() {
    const area = page();
    return area ? [...area.querySelectorAll(ROWS)].filter(shown) : [];
  }

  function grid_move(step) {
    const cell = document.activeElement.closest(".ag-cell"), grid = document.querySelector("#page .ag-root");
    if (!grid) return false;
    const row = cell && grid.querySelector(`.ag-row[row-index="${Number(cell.closest(".ag-row").getAttribute("row-index")) + step}"]`);
    const next = cell ? row && row.querySelector(`.ag-cell[col-id="${CSS.escape(cell.getAttribute("col-id"))}"]`) : grid.querySelector(".ag-row .ag-cell");
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
    return true;
  }

  function move(step) {
    const found = rows();
    if (!found.length) return grid_move(step);
    const at = found.findIndex((row) => row.contains(document.activeElement));
    const next = found[Math.max(0, Math.min(found.length - 1, at < 0 ? 0 : at + step))];
    if (next.tabIndex < 0 && !next.hasAttribute("tabindex")) next.tabIndex = -1;
    next.focus();
    next.scrollIntoView({ block: "nearest" });
  }

  const row_of = (element) => element.closest(ROWS) || element.closest(".ag-row");

  /* All parts of a grid's row: pinned columns are apart from the others. */
  function parts(row) {
    if (!row.classList.contains("ag-row")) return [row];
    return [...row.closest(".ag-root").querySelectorAll(`.ag-row[row-index="${row.getAttribute("row-index")}"]`)];
  }

  function press(row, what) {
    for (const part of parts(row)) {
      const found = part.querySelector(what);
      if (found && !found.disabled) { found.click(); return true; }
    }
    return false;
  }

  const opens = (row) => press(row, "[data-open], .pump-link, a[data-go]");

  add("j", tr("Next row of a list"), () => move(1));
  add("k", tr("Previous row of a list"), () => move(-1));
  add("a", tr("Acknowledge the alarm of the row with the focus"), () => {
    const row = row_of(document.activeElement);
    return Boolean(row) && press(row, "[data-ack]");
  });
  add("/", tr("Search"), () => {
    const field = [...page().querySelectorAll("[data-search] input, input[data-search], input[type=search], input[id$=search]")].find(shown);
    if (!field) return false;
    field.focus();
    field.select();
  });
  add("?", tr("This help"), () => help());

  function go(key) {
    const link = links().find((one) => one.dataset.key === key);
    if (link) link.click();
    return Boolean(link);
  }

  function typing(target) {
    return target.isContentEditable || Boolean(target.closest("textarea, select, [role=listbox], [role=combobox], [role=textbox]"))
      || (target.tagName === "INPUT" && !["checkbox", "radio", "button", "range"].includes(target.type));
  }

  const off = () => localStorage.getItem(OFF) === "yes";

  document.addEventListener("keydown", (event) => {
    const target = event.target instanceof Element ? event.target : document.body;
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Enter" || event.key === " ") { if (enter(target, event.key)) event.preventDefault(); return; }
    if (typing(target) || document.querySelector("[role=dialog], dialog[open]") || off()) return;
    const chord = first && Date.now() - first_at < CHORD_MS ? first + " " + event.key : "";
    first = "";
    if (chord.startsWith("g ") && go(event.key)) { event.preventDefault(); return; }
    const found = added.find((one) => one.keys === (chord || event.key)) || added.find((one) => one.keys === event.key);
    if (found && found.run(event) !== false) { event.preventDefault(); return; }
    if (event.key === "g" || added.some((one) => one.keys.startsWith(event.key + " "))) { first = event.key; first_at = Date.now(); }
  });

  /* A row is opened as a click on its link does it; in a cell with a button, the button is pressed. */
  function enter(target, key) {
    if (target.matches(ROWS)) return opens(target);
    if (!target.matches(".ag-cell")) return false;
    const button = target.querySelector("button");
    if (button) { button.click(); return true; }
    const row = target.closest(".ag-row");
    const selects = parts(row).some((part) => part.querySelector(".ag-selection-checkbox"));
    return key === " " && selects ? false : opens(row);
  }

  function entry(list, keys, text) {
    const term = document.createElement("dt"), meaning = document.createElement("dd");
    for (const key of keys.split(" ")) {
      const cap = document.createElement("kbd");
      cap.textContent = key;
      term.append(cap);
    }
    meaning.textContent = text;
    list.append(term, meaning);
  }

  function help() {
    const dialog = document.createElement("dialog"), list = document.createElement("dl"), title = document.createElement("h2");
    dialog.className = "keyboard-help";
    dialog.setAttribute("aria-labelledby", "keyboard-title");
    title.id = "keyboard-title";
    title.textContent = tr("Keyboard shortcuts");
    for (const link of links()) entry(list, "g " + link.dataset.key, tr("Go to {page}", { page: link.firstElementChild.textContent }));
    entry(list, "Enter", tr("Open the row with the focus"));
    for (const one of added) entry(list, one.keys, one.text);
    entry(list, "Esc", tr("Close a dialog or menu"));
    const line = document.createElement("label"), box = document.createElement("input"), close = document.createElement("button");
    box.type = "checkbox";
    box.checked = !off();
    box.addEventListener("change", () => localStorage.setItem(OFF, box.checked ? "no" : "yes"));
    line.append(box, " " + tr("Shortcuts of letters and signs are on"));
    close.className = "button";
    close.textContent = tr("Close");
    close.addEventListener("click", () => dialog.close());
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    dialog.addEventListener("close", () => dialog.remove());
    dialog.append(title, list, line, close);
    document.body.append(dialog);
    dialog.showModal();
  }

  window.pumpwatch = Object.assign(window.pumpwatch || {}, { keyboard: { add, help } });
})();
