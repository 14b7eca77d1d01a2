// The page for staff: what the bot says, with pictures and files; digits press buttons. No build step, no dependencies.
"use strict";

const WORDS = {
  id: { text: "Tulis pesan", send: "Kirim", attach: "Kirim berkas", ready: "siap", sending: "mengirim…", offline: "Tidak ada sambungan. Kami coba lagi; pesan Anda tidak hilang.", download: "Unduh", gone: "Berkas sudah tidak ada" },
  en: { text: "Write a message", send: "Send", attach: "Send a file", ready: "ready", sending: "sending…", offline: "No connection. We keep trying; your message is not lost.", download: "Download", gone: "The file is gone" },
};
const $ = (id) => document.getElementById(id);
const log = $("log"), state = $("state"), form = $("form"), input = $("text");
const token = (location.hash.match(/^#([\w-]{20,64})$/) || [])[1]; // an invitation; behind the # it reaches no server
const known = localStorage.getItem("gelombang.staff");
const chat = known || newId();
let seen = 0;
let words = WORDS.id;
let waiting = 0;
let sending = Promise.resolve();

function newId() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
}

function api(path, options = {}) {
  return fetch(`/staff/api/messages${path}`, { ...options, headers: { ...options.headers, "X-Chat": chat } });
}

function speak(language) {
  words = WORDS[language] || WORDS.id;
  document.documentElement.lang = language in WORDS ? language : "id";
  input.placeholder = words.text;
  $("text-label").textContent = words.text;
  $("send").setAttribute("aria-label", words.send);
  $("attach").setAttribute("aria-label", words.attach);
  $("offline").textContent = words.offline;
  state.textContent = waiting ? words.sending : words.ready;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function bubble(mine, text) {
  const row = element("div", mine ? "row mine" : "row");
  const box = element("div", "bubble");
  box.append(element("span", "words", text));
  box.append(element("time", "", new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" })));
  row.append(box);
  log.append(row);
  down();
  return row;
}

// To the end; but what is taller than the screen is read from its beginning.
function down() {
  const last = log.lastElementChild;
  log.scrollTop = last && last.offsetHeight > log.clientHeight ? last.offsetTop - 12 : log.scrollHeight;
}

function show(messages) {
  for (const message of messages) {
    const id = Number(message.id);
    if (document.getElementById(`m${id}`)) continue;
    speak(message.language);
    for (const old of log.querySelectorAll(".choices:not(.old)")) old.classList.add("old");
    const row = bubble(false, message.text);
    row.id = `m${id}`;
    row.dataset.step = message.step;
    if (message.files.length) row.firstChild.prepend(files(id, message.files));
    if (message.choices.length) row.append(choices(message.choices));
    if (message.live) follow(id, row.firstChild);
  }
  down();
}

function files(id, list) {
  const group = element("div", "files");
  list.forEach((file, at) => {
    const figure = element("figure");
    if (file.picture) {
      const image = element("img", file.name.endsWith(".png") ? "" : "photo");
      image.alt = file.label || file.name;
      load(id, at).then((url) => { image.src = url; image.onload = down; }, () => { figure.replaceChildren(words.gone); });
      figure.append(image, element("figcaption", "", file.label));
    } else {
      const link = element("a", "", `⬇ ${words.download} ${file.name}`);
      link.href = "#";
      link.addEventListener("click", async (event) => {
        event.preventDefault();
        const given = element("a");
        given.href = await load(id, at);
        given.download = file.name;
        given.click();
      });
      figure.append(link);
    }
    group.append(figure);
  });
  return group;
}

async function load(id, at) {
  const response = await api(`/${id}/files/${at}`);
  if (!response.ok) throw new Error(String(response.status));
  return URL.createObjectURL(await response.blob());
}

function choices(list) {
  const group = element("div", "choices");
  group.setAttribute("role", "group");
  list.forEach((choice, at) => {
    const button = element("button", "", choice.label);
    if (at < 9) button.append(element("kbd", "", String(at + 1)));
    if (choice.detail) button.append(element("small", "", choice.detail));
    button.type = "button";
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", "true");
      group.classList.add("old");
      bubble(true, choice.label);
      post({ choice: choice.id });
    });
    group.append(button);
  });
  return group;
}

// A message that changes, such as the progress of a broadcast, is read again for as long as it does.
async function follow(id, box) {
  box.classList.add("live");
  for (let pause = 1000; ; ) {
    await new Promise((done) => setTimeout(done, pause));
    try {
      const response = await api(`/${id}`);
      if (response.status === 404) break;
      const { text, live } = await response.json();
      box.querySelector(".words").textContent = text;
      if (!live) break;
    } catch { pause = Math.min(pause * 2, 15000); }
  }
  box.classList.remove("live");
}

function post(content, file) {
  const id = newId();
  waiting += 1;
  state.textContent = words.sending;
  sending = sending.then(() => deliver(id, content, file)).finally(() => { waiting -= 1; if (!waiting) state.textContent = words.ready; });
}

async function deliver(id, content, file) {
  for (let pause = 1000; ; pause = Math.min(pause * 2, 15000)) {
    try {
      const response = await api("", request(id, content, file));
      if (response.status < 500) {
        $("offline").hidden = true;
        const body = await response.json();
        if (response.ok) show(body.messages);
        else bubble(false, body.error.message);
        return;
      }
    } catch { /* no connection: the next round tries again */ }
    $("offline").hidden = false;
    await new Promise((done) => setTimeout(done, pause));
  }
}

function request(id, content, file) {
  if (!file) return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ id, ...content }) };
  const body = new FormData();
  body.append("id", id);
  body.append("file", file, file.name);
  return { method: "POST", body };
}

async function listen() {
  for (let pause = 1000; ; ) {
    try {
      if (waiting) { await sending; continue; }
      const response = await api(`?after=${seen}&wait=25`);
      if (!response.ok) throw new Error(String(response.status));
      const { messages } = await response.json();
      $("offline").hidden = true;
      pause = 1000;
      if (messages.length) { show(messages); seen = Number(messages[messages.length - 1].id); }
    } catch {
      $("offline").hidden = false;
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(pause * 2, 15000);
    }
  }
}

function sendFile(file) {
  if (!file) return;
  bubble(true, `📎 ${file.name}`);
  post({}, file);
}

function submit() {
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  bubble(true, text);
  post({ text });
}

form.addEventListener("submit", (event) => { event.preventDefault(); submit(); });
input.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey) { event.preventDefault(); submit(); }
});
// A digit presses the button of that number, wherever the focus is, as long as nothing is being written.
document.addEventListener("keydown", (event) => {
  if (input.value || event.ctrlKey || event.altKey || event.metaKey || !/^[1-9]$/.test(event.key)) return;
  if (/(code|write|text)$/.test(log.lastElementChild?.dataset.step || "")) return; // digits are an answer there
  const button = log.querySelectorAll(".choices:not(.old) button")[Number(event.key) - 1];
  if (button) { event.preventDefault(); button.click(); }
});
$("attach").addEventListener("click", () => $("file").click());
$("file").addEventListener("change", (event) => { sendFile(event.target.files[0]); event.target.value = ""; });
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dropping", name === "dragover");
    if (name === "drop") sendFile(event.dataTransfer.files[0]);
  });
}

(async function start() {
  speak("id");
  localStorage.setItem("gelombang.staff", chat);
  if (token) history.replaceState(null, "", "/staff");
  try { // what is behind us is not shown again: people look over shoulders
    const response = await api("?after=0&wait=0");
    while (response.ok) {
      const { messages } = await (seen ? await api(`?after=${seen}&wait=0`) : response).json();
      if (!messages.length) break;
      seen = Number(messages[messages.length - 1].id);
    }
  } catch { /* the loop below says so */ }
  post(token ? { choice: `!enter_${token}` } : { text: "/lanjut" });
  input.focus();
  await sending;
  listen();
})();
