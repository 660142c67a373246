/* Keyed list: a list of any length of which only the rows in view are in the page. A node belongs to one key for as long as it is shown
   and is never replaced, so that focus stays; the row's own `paint` writes only what changed. */
(function () {
  "use strict";
  const MARGIN = 8, STEPS = { ArrowDown: 1, j: 1, ArrowUp: -1, k: -1 };

  /* options: height(item) in px; make(item) returns { node, paint(item) };
     keys: { open, tick, acknowledge } get the current item; moved(item) after the current row changed. */
  class KeyedList {
    constructor(box, options) {
      Object.assign(this, { box, options, items: [], places: new Map(), tops: [0], nodes: new Map(), current: null });
      this.space = document.createElement("div");
      this.space.className = "keyed-space";
      this.space.setAttribute("role", "presentation");
      box.replaceChildren(this.space);
      box.addEventListener("scroll", () => this.later(), { passive: true });
      box.addEventListener("keydown", (event) => this.key(event));
      box.addEventListener("focusin", (event) => this.focused(event));
      new ResizeObserver(() => this.measure()).observe(box);
    }

    get alive() { return this.box.isConnected; }

    /* Shows these items, each with a unique `key`, in this order. */
    show(items) {
      const before = this.current === null ? -1 : this.places.get(this.current) ?? -1;
      const inside = this.box.contains(document.activeElement);
      this.items = items;
      this.places = new Map(items.map((item, at) => [item.key, at]));
      this.measure();
      if (before >= 0 && !this.places.has(this.current)) this.lost(Math.min(before, items.length - 1), inside);
    }

    measure() {
      let top = 0;
      this.tops = this.items.map((item) => { const at = top; top += this.options.height(item); return at; });
      this.tops.push(top);
      this.space.style.height = top + "px";
      this.draw();
    }

    later() {
      if (this.waiting) return;
      this.waiting = true;
      requestAnimationFrame(() => { this.waiting = false; this.draw(); });
    }

    /* The number of the row at a height. */
    at(height) {
      let low = 0, high = this.items.length - 1;
      while (low < high) { const middle = (low + high + 1) >> 1; if (this.tops[middle] <= height) low = middle; else high = middle - 1; }
      return low;
    }

    draw() {
      if (!this.alive) return;
      const top = this.box.scrollTop, first = Math.max(0, this.at(top) - MARGIN);
      const last = Math.min(this.items.length, this.at(top + this.box.clientHeight) + 1 + MARGIN);
      const wanted = [];
      for (let at = first; at < last; at++) wanted.push(at);
      const held = document.activeElement && document.activeElement.closest("[data-key]");
      const kept = held && this.space.contains(held) ? this.places.get(held.dataset.key) : undefined;
      if (kept !== undefined && (kept < first || kept >= last)) { if (kept < first) wanted.unshift(kept); else wanted.push(kept); }
      const keys = new Set(wanted.map((at) => this.items[at].key));
      for (const [key, made] of this.nodes) if (!keys.has(key)) { made.node.remove(); this.nodes.delete(key); }
      let cursor = this.space.firstChild;
      for (const at of wanted) {
        const item = this.items[at];
        let made = this.nodes.get(item.key);
        if (!made) {
          made = this.options.make(item);
          made.node.dataset.key = item.key;
          made.node.tabIndex = -1;
          this.nodes.set(item.key, made);
        }
        cursor = this.place(made.node, cursor, held);
        this.paint(made, item, at);
      }
      if (this.current === null || !this.nodes.has(this.current)) this.enter(this.nodes.get(this.items[this.at(top)]?.key));
    }

    /* A focused node loses its focus if it is moved: the others move around it. */
    place(node, cursor, held) {
      if (node === cursor) return cursor.nextSibling;
      if (node === held && node.parentNode === this.space) {
        while (cursor && cursor !== node) { const next = cursor.nextSibling; this.space.appendChild(cursor); cursor = next; }
        return node.nextSibling;
      }
      this.space.insertBefore(node, cursor);
      return cursor;
    }

    paint(made, item, at) {
      const top = this.tops[at] + "px", place = String(at + 1), size = String(this.items.length);
      if (made.node.style.top !== top) made.node.style.top = top;
      if (made.place !== place) made.node.setAttribute("aria-posinset", made.place = place);
      if (made.size !== size) made.node.setAttribute("aria-setsize", made.size = size);
      if (made.node.classList.contains("current") !== (item.key === this.current)) made.node.classList.toggle("current");
      made.paint(item);
    }

    /* Paints the rows in view again; called when something changed that is not in the items, such as ages. */
    repaint() {
      for (const [key, made] of this.nodes) {
        const at = this.places.get(key);
        if (at !== undefined) made.paint(this.items[at]);
      }
    }

    /* One row at a time can be reached by Tab: the current one, or the first in view. */
    enter(made) {
      if (this.entry === made) return;
      if (this.entry) this.entry.node.tabIndex = -1;
      this.entry = made;
      if (made) made.node.tabIndex = 0;
    }

    focused(event) {
      const row = event.target.closest("[data-key]");
      if (row) this.make_current(row.dataset.key);
    }

    make_current(key) {
      if (key === this.current) return;
      const old = this.nodes.get(this.current), made = this.nodes.get(key);
      this.current = key;
      if (old) old.node.classList.remove("current");
      if (made) { made.node.classList.add("current"); this.enter(made); }
      if (this.options.moved) this.options.moved(this.items[this.places.get(key)]);
    }

    /* The current row left the list: the one in its place is the current one now, and gets its focus. */
    lost(at, inside) {
      this.current = null;
      if (at < 0) { this.box.tabIndex = -1; if (inside) this.box.focus(); return; }
      if (inside) this.go(at); else this.make_current(this.items[at].key);
    }

    /* Makes a row the current one, scrolls to it and focuses it. */
    go(at) {
      const to = Math.max(0, Math.min(this.items.length - 1, at)), item = this.items[to];
      if (!item) return;
      const top = this.tops[to], bottom = this.tops[to + 1], view = this.box.clientHeight;
      if (top < this.box.scrollTop) this.box.scrollTop = top;
      else if (bottom > this.box.scrollTop + view) this.box.scrollTop = bottom - view;
      this.draw();
      this.nodes.get(item.key).node.focus({ preventScroll: true });
    }

    key(event) {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      const at = this.places.get(this.current), in_field = event.target.matches("input, textarea, select, button, a");
      if (at === undefined) return;
      const item = this.items[at], keys = this.options.keys || {};
      const page = Math.max(1, Math.floor(this.box.clientHeight / this.options.height(item)) - 1);
      const to = event.key in STEPS ? at + STEPS[event.key] : { Home: 0, End: this.items.length - 1, PageDown: at + page, PageUp: at - page }[event.key];
      if (to !== undefined) this.go(to);
      else if (event.key === "Enter" && !in_field && keys.open) keys.open(item);
      else if (event.key === " " && !in_field && keys.tick) keys.tick(item);
      else if (event.key === "a" && keys.acknowledge) keys.acknowledge(item);
      else return;
      event.preventDefault();
    }
  }

  window.pumpwatch = Object.assign(window.pumpwatch || {}, { KeyedList });
})();
