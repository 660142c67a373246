/* Rows that the server feeds: fetches what changed since the last answer, one request at a time, and none while the page is hidden. */
(function () {
  "use strict";
  const TIMEOUT_MS = 10000;

  class RowStore {
    constructor(path) { Object.assign(this, { path, run: 0, cursor: 0, rows: new Map(), texts: {}, fields: [], left_out: 0, complete: false, version: 0 }); }

    /* Fetches changes; calls `changed` after each answer that has any, once `drawn` is fulfilled: when the browser has
       drawn what came before. Returns when the server has no more. */
    async fetch(changed, drawn) {
      if (document.hidden) return;
      this.asked = true;
      if (this.busy) return;
      this.busy = true;
      try {
        while (this.asked && !document.hidden) {
          this.asked = false;
          const answer = await this.ask();
          await drawn;
          if (this.take(answer)) changed();
        }
      } catch { /* the age of the data shows it; the next snapshot asks again */ } finally { this.busy = false; }
    }

    async ask() {
      const address = window.pumpwatch.path(this.path) + "?run=" + this.run + "&cursor=" + this.cursor;
      const answer = await fetch(address, { method: "POST", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      if (!answer.ok) throw new Error(answer.status);
      return answer.json();
    }

    /* Takes an answer in, and returns whether anything is different. */
    take(answer) {
      const fresh = answer.reset || !this.complete || answer.rows.length + answer.changed.length + answer.gone.length > 0 || answer.left_out !== this.left_out;
      if (answer.reset) { this.rows.clear(); this.fields = answer.fields; }
      Object.assign(this.texts, answer.texts);
      for (const [number, ...values] of answer.rows) this.rows.set(number, Object.fromEntries(this.fields.map((name, at) => [name, values[at]])));
      for (const [number, ...pairs] of answer.changed) {
        const row = this.rows.get(number);
        if (row) for (const [at, value] of pairs) row[this.fields[at]] = value;
      }
      for (const number of answer.gone) this.rows.delete(number);
      Object.assign(this, { run: answer.run, cursor: answer.cursor, left_out: answer.left_out, complete: this.complete || !answer.more, also: answer.also });
      if (answer.more) this.asked = true;
      if (fresh) this.version++;
      return fresh;
    }

    /* The rows, most urgent first. */
    ordered() {
      return [...this.rows.values()].sort((one, other) =>
        one.urgency - other.urgency || one.priority - other.priority || one.raised - other.raised || one.onset - other.onset || (one.alarm < other.alarm ? -1 : 1));
    }
  }

  /* One store per address for all pages: a list that was read before is there at once. */
  const stores = {};
  window.pumpwatch = Object.assign(window.pumpwatch || {}, { rows_of: (path) => (stores[path] = stores[path] || new RowStore(path)) });
})();
