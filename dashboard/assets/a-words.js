/* Texts in the viewer's language: the page has the translations of those that scripts show; what has none is English. */
(function () {
  "use strict";
  const words = JSON.parse((document.getElementById("words") || { textContent: "{}" }).textContent), lang = document.documentElement.lang || "en";
  const rules = new Intl.PluralRules(lang);

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (values && name in values ? String(values[name]) : whole));

  /* Digits are grouped by a narrow space, except in English: a "1.000 µg/mL" can be read as one microgram. */
  const group = (part) => (part.type === "group" && !lang.startsWith("en") ? "\u202f" : part.value);
  const number = (value, options) => new Intl.NumberFormat(lang, options).formatToParts(value).map(group).join("");

  /* The values take the places of "{name}" in the text. */
  const tr = (text, values) => filled(words[text] ? words[text][0] : text, values);

  /* The form that the count needs; "{count}" is the count. */
  function tr_n(one, many, count, values) {
    const forms = words[one] || [one, many], form = rules.select(count) === "one" ? forms[0] : forms[1];
    return filled(form, Object.assign({ count: number(count) }, values));
  }

  window.pumpwatch = Object.assign(window.pumpwatch || {}, { tr, tr_n, number, lang });
})();
