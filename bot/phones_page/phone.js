// A phone for trying out: shows what a stand-in of the platform was sent, and sends back what is typed.
"use strict";

const channel = location.pathname.split("/")[2] || "telegram";
const $ = (id) => document.getElementById(id);
let shown = 0;

document.body.className = channel;
for (const link of document.querySelectorAll("nav a")) {
  if (link.pathname.endsWith(channel)) link.setAttribute("aria-current", "page");
}
$("form").hidden = channel === "sms";

function bubble(text, mine) {
  const row = document.createElement("p");
  row.className = mine ? "bubble mine" : "bubble";
  row.textContent = text;
  $("log").append(row);
  $("log").scrollTop = $("log").scrollHeight;
}

async function post(fields, label) {
  bubble(label, true);
  const body = new FormData();
  for (const [name, value] of Object.entries(fields)) body.append(name, value);
  await fetch(`/phones/${channel}/messages`, { method: "POST", body });
}

function choices(list) {
  const group = document.createElement("div");
  group.className = "choices";
  for (const choice of list) {
    const button = document.createElement("button");
    button.textContent = choice.label;
    button.addEventListener("click", () => post({ choice: choice.id }, choice.label));
    group.append(button);
  }
  $("log").append(group);
}

$("form").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("text").value.trim();
  if (text) post({ text }, text);
  $("text").value = "";
});
$("photo").addEventListener("change", () => {
  if ($("photo").files[0]) post({ photo: $("photo").files[0] }, "📷");
  $("photo").value = "";
});

(async function listen() {
  for (;;) {
    try {
      const { messages, number } = await (await fetch(`/phones/${channel}/messages`)).json();
      $("who").textContent = `${number} — a stand-in on this machine; nothing leaves it`;
      for (const message of messages.slice(shown)) {
        bubble(message.text, false);
        if (message.choices.length) choices(message.choices);
      }
      shown = messages.length;
      $("log").scrollTop = $("log").scrollHeight;
    } catch { /* the server is away: the next round tries again */ }
    await new Promise((done) => setTimeout(done, 500));
  }
})();
