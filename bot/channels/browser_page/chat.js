// The chat page: shows what the bot says, posts what the person answers. No build step, no dependencies.
// Answers are never kept in the browser (phones are shared): only the chat's id and the last message seen.
"use strict";

const WORDS = {
  id: {
    text: "Tulis pesan", send: "Kirim", attach: "Kirim foto dari galeri", shoot: "Ambil foto", photo: "Foto",
    online: "siap membantu", typing: "sedang mengetik…", sending: "mengirim…",
    offline: "Tidak ada sambungan. Kami coba lagi; pesan Anda tidak hilang.",
    back: "Selamat datang kembali", outbox: "SMS dan e-mail",
    note: "Belum ada penyedia SMS dan e-mail yang diatur. Inilah yang akan dikirim:",
    sms: "SMS ke", mail: "E-mail ke",
  },
  en: {
    text: "Write a message", send: "Send", attach: "Send a photo from the gallery", shoot: "Take a photo", photo: "Photo",
    online: "here to help", typing: "is typing…", sending: "sending…",
    offline: "No connection. We keep trying; your message is not lost.",
    back: "Welcome back", outbox: "SMS and e-mail",
    note: "No provider for SMS and e-mail is set. This is what would go out:",
    sms: "SMS to", mail: "E-mail to",
  },
};
const MAX_SIDE = 1600; // a larger photo is shrunk before it is sent: prepaid data is money

const $ = (id) => document.getElementById(id);
const log = $("log"), state = $("state"), form = $("form"), input = $("text");
const known = localStorage.getItem("gelombang.chat");
const link = location.pathname === "/l" ? (location.hash.match(/^#([A-Za-z0-9]{6,20})$/) || [])[1] : ""; // came by the link of an SMS
const chat = (!link && known) || newId();
let seen = link ? 0 : Number(localStorage.getItem("gelombang.seen") || 0);
let words = WORDS.id;
let typing = null;
let waiting = 0;      // messages being sent
let checking = false; // the bot works on a photo
let sending = Promise.resolve();

function newId() {
  const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join("");
  return id;
}

function speak(language) {
  words = WORDS[language] || WORDS.id;
  document.documentElement.lang = language in WORDS ? language : "id";
  input.placeholder = words.text;
  $("text-label").textContent = words.text;
  for (const [id, key] of [["send", "send"], ["attach", "attach"], ["shoot", "shoot"]]) $(id).setAttribute("aria-label", words[key]);
  $("offline").textContent = words.offline;
  $("outbox-title").textContent = words.outbox;
  $("outbox-note").textContent = words.note;
  $("outbox").setAttribute("aria-label", words.outbox);
  showState();
}

function showState() {
  state.textContent = waiting ? words.sending : checking ? words.typing : words.online;
  if ((waiting || checking) && !typing) {
    typing = element("div", "row typing");
    typing.setAttribute("aria-hidden", "true");
    const bubble = element("div", "bubble");
    bubble.append(element("i"), element("i"), element("i"));
    typing.append(bubble);
  }
  if (waiting || checking) log.append(typing);
  else if (typing) { typing.remove(); typing = null; }
  log.scrollTop = log.scrollHeight;
}

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

function bubble(mine, text, imageUrl) {
  const row = element("div", mine ? "row mine" : "row");
  const box = element("div", "bubble");
  if (imageUrl) {
    const image = element("img");
    image.alt = words.photo;
    image.src = imageUrl;
    image.addEventListener("load", () => { log.scrollTop = log.scrollHeight; URL.revokeObjectURL(imageUrl); });
    box.append(image);
  }
  if (text) box.append(text);
  const time = element("time", "", new Date().toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit" }));
  box.append(time);
  row.append(box);
  log.append(row);
  log.scrollTop = log.scrollHeight;
  return row;
}

function show(messages) {
  for (const message of messages) {
    const id = Number(message.id);
    if (document.getElementById(`m${id}`)) continue;
    speak(message.language);
    checking = message.key.endsWith("_checking");
    const row = bubble(false, message.text);
    row.id = `m${id}`;
    for (const old of log.querySelectorAll(".choices:not(.old)")) old.classList.add("old");
    if (message.choices.length) row.append(choices(message.choices));
    wantPhoto(message.ask === "photo");
  }
  showState();
}

function choices(list) {
  const group = element("div", "choices");
  group.setAttribute("role", "group");
  for (const choice of list) {
    const button = element("button", "", choice.label);
    if (choice.detail) button.append(element("small", "", choice.detail));
    button.type = "button";
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", "true");
      group.classList.add("old");
      bubble(true, choice.label);
      post({ choice: choice.id });
      input.focus({ preventScroll: true });
    });
    group.append(button);
  }
  return group;
}

function wantPhoto(wanted) {
  for (const id of ["attach", "shoot"]) $(id).classList.toggle("wanted", wanted);
}

// Messages go out one after the other and are repeated with the same id until they are taken: none is lost or doubled.
function post(content, photo) {
  const id = newId();
  waiting += 1;
  showState();
  sending = sending.then(() => deliver(id, content, photo)).finally(() => { waiting -= 1; showState(); });
}

async function deliver(id, content, photo) {
  for (let pause = 1000; ; pause = Math.min(pause * 2, 15000)) {
    try {
      const response = await fetch("/chat/api/messages", request(id, content, photo));
      if (response.status < 500) {
        $("offline").hidden = true;
        const body = await response.json();
        if (response.ok) show(body.messages);
        else bubble(false, body.error.message);
        await showOutbox();
        return;
      }
    } catch { /* no connection: the next round tries again */ }
    $("offline").hidden = false;
    await new Promise((done) => setTimeout(done, pause));
  }
}

function request(id, content, photo) {
  if (!photo) return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ chat, id, ...content }) };
  const body = new FormData();
  body.append("chat", chat);
  body.append("id", id);
  body.append("photo", photo, "photo.jpg");
  return { method: "POST", body };
}

// Only what the long poll gave moves the mark: a reply to a post may overtake a message that came before it.
function remember(messages) {
  if (messages.length) seen = Number(messages[messages.length - 1].id);
  localStorage.setItem("gelombang.seen", String(seen));
}

async function listen() {
  for (let pause = 1000; ; ) {
    try {
      if (waiting) { await sending; continue; } // replies come with the answer to the post
      const response = await fetch(`/chat/api/messages?after=${seen}&wait=25`, { headers: { "X-Chat": chat } });
      if (!response.ok) throw new Error(String(response.status));
      const { messages } = await response.json();
      $("offline").hidden = true;
      pause = 1000;
      if (messages.length) { show(messages); remember(messages); await showOutbox(); }
    } catch {
      $("offline").hidden = false;
      await new Promise((done) => setTimeout(done, pause));
      pause = Math.min(pause * 2, 15000);
    }
  }
}

let shown = known ? null : 0; // what was sent before this page was opened is no news
async function showOutbox() {
  const response = await fetch(`/chat/api/outbox`, { headers: { "X-Chat": chat } });
  if (!response.ok) return;
  const sent = await response.json();
  $("outbox").hidden = sent.length === 0;
  const fresh = shown !== null && sent.length > shown ? sent[sent.length - 1] : null;
  shown = sent.length;
  $("outbox-list").replaceChildren(...sent.slice().reverse().map((item) => {
    const entry = element("li");
    entry.append(element("b", "", `${words[item.channel] || item.channel} ${item.to}`), item.text);
    return entry;
  }));
  if (fresh) notify(fresh);
}

function notify(item) {
  const banner = $("sms-banner");
  banner.textContent = `💬 ${words[item.channel] || item.channel} ${item.to}: ${item.text}`;
  banner.hidden = false;
  banner.onclick = () => {
    const code = item.text.match(/\d{6}/);
    if (code) { input.value = code[0]; input.focus(); }
    banner.hidden = true;
  };
}

async function sendPhoto(file) {
  if (!file) return;
  const photo = await smaller(file);
  bubble(true, "", URL.createObjectURL(photo));
  wantPhoto(false);
  post({}, photo);
}

// Shrinks a large photo; what the browser can't open (HEIC) goes as it is.
async function smaller(file) {
  try {
    const picture = await createImageBitmap(file, { imageOrientation: "from-image" });
    const scale = MAX_SIDE / Math.max(picture.width, picture.height);
    if (scale >= 1 && file.size < 1024 * 1024) return file;
    const canvas = document.createElement("canvas");
    canvas.width = Math.round(picture.width * Math.min(scale, 1));
    canvas.height = Math.round(picture.height * Math.min(scale, 1));
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    return await new Promise((done) => canvas.toBlob((blob) => done(blob || file), "image/jpeg", 0.9));
  } catch {
    return file;
  }
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return;
  input.value = "";
  $("sms-banner").hidden = true;
  bubble(true, text);
  post({ text });
});
for (const [button, picker] of [["attach", "file"], ["shoot", "camera"]]) {
  $(button).addEventListener("click", () => $(picker).click());
  $(picker).addEventListener("change", (event) => { sendPhoto(event.target.files[0]); event.target.value = ""; });
}

(async function start() {
  speak("id");
  localStorage.setItem("gelombang.chat", chat);
  if (known && !link) {
    log.append(element("p", "divider", words.back));
    try { // what came while the page was closed
      const response = await fetch(`/chat/api/messages?after=${seen}&wait=0`, { headers: { "X-Chat": chat } });
      if (response.ok) {
        const { messages } = await response.json();
        show(messages);
        remember(messages);
      }
    } catch { /* the loop below says so */ }
  }
  if (link) history.replaceState(null, "", "/");
  post(link ? { choice: `!link_${link}` } : { text: "/resume" });
  if (matchMedia("(min-width: 900px)").matches) input.focus();
  await sending;
  listen();
})();
