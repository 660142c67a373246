/* Sends what a form of the API's reference says, as the person who is signed in, and shows the answer. */
"use strict";

const MAX_SHOWN = 20000;
const HEADERS = ["content-type", "etag", "retry-after", "allow", "accept-post"];

function request(form) {
  let path = form.dataset.path;
  const query = new URLSearchParams();
  const sent = { method: form.dataset.method, headers: {}, cache: "no-store" };
  for (const field of form.elements) {
    const place = field.dataset.in;
    if (!place || (field.value === "" && place !== "path")) continue;
    if (place === "path") path = path.replace(`{${field.name}}`, encodeURIComponent(field.value));
    else if (place === "query") query.append(field.name, field.value);
    else if (place === "header") sent.headers[field.name] = field.value;
    else {
      sent.body = field.value;
      sent.headers["Content-Type"] = "application/json";
    }
  }
  const asked = query.toString();
  return [path + (asked ? `?${asked}` : ""), sent];
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 1);
  } catch {
    return text;
  }
}

async function send(form, shown) {
  const [address, sent] = request(form);
  shown.hidden = false;
  shown.textContent = `${sent.method} ${address}\n\u2026`;
  try {
    const answer = await fetch(address, sent);
    const named = HEADERS.filter((name) => answer.headers.has(name));
    const head = named.map((name) => `${name}: ${answer.headers.get(name)}`);
    const text = pretty(await answer.text());
    const rest = text.length - MAX_SHOWN;
    const more = rest > 0 ? `\n\u2026 and ${rest} more characters` : "";
    const lines = [`${sent.method} ${address}`, `${answer.status} ${answer.statusText}`, ...head];
    shown.textContent = `${lines.join("\n")}\n\n${text.slice(0, MAX_SHOWN)}${more}`;
  } catch (error) {
    shown.textContent = `${sent.method} ${address}\nNo answer: ${error.message}`;
  }
}

for (const form of document.querySelectorAll("form[data-path]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    send(form, form.nextElementSibling);
  });
}
