// The token stands behind the # and goes out in a body only; it leaves the address as soon as it is read.
"use strict";
const token = location.hash.slice(1);
history.replaceState(null, "", location.pathname);
const form = document.getElementById("form");
const said = document.getElementById("said");

function say(text) {
  said.textContent = text;
  said.hidden = false;
}

if (!token) say("Tautan tidak lengkap. Balas DATA SAYA di chat untuk tautan baru.");

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const button = form.querySelector("button");
  button.disabled = true;
  try {
    const answer = await fetch("/my-data/file", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ token, birth_date: document.getElementById("birth").value }),
    });
    const found = await answer.json();
    if (!answer.ok) {
      say(found.error.message);
      return;
    }
    const file = URL.createObjectURL(new Blob([found.page], { type: "text/html;charset=utf-8" }));
    const save = document.getElementById("save");
    save.href = file;
    save.download = found.name;
    document.getElementById("shown").srcdoc = found.page;
    form.hidden = true;
    document.getElementById("done").hidden = false;
  } catch {
    say("Sambungan terputus. Coba lagi.");
  } finally {
    button.disabled = false;
  }
});
