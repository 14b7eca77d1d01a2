// Finds a ticket in the published ranking and does the draw's sum for it, on this phone alone: nothing is sent.
"use strict";

const form = document.querySelector("form");
const output = document.querySelector("output");
const words = output && output.dataset;

const hex = (bytes) => [...new Uint8Array(bytes)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text) => Uint8Array.from(text.match(/../g), (pair) => parseInt(pair, 16));
const number = (value) => value.toLocaleString(document.documentElement.lang);

// Letters that are taken for others on a small screen; tickets never contain them.
const tidy = (text) => {
  const [head, ...rest] = text.toUpperCase().replace(/\s/g, "").split("-");
  const letters = rest.join("").replace(/[IL]/g, "1").replace(/O/g, "0").replace(/U/g, "V");
  return rest.length ? `${head}-${letters.slice(0, 4)}-${letters.slice(4)}` : head;
};

async function keyOf(seed, ticket) {
  const usage = { name: "HMAC", hash: "SHA-256" };
  const key = await crypto.subtle.importKey("raw", unhex(seed), usage, false, ["sign"]);
  return hex(await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(ticket)));
}

async function fetched(path) {
  const answer = await fetch(path);
  if (!answer.ok) throw new Error(path);
  return answer;
}

// The ranking is in blocks, each with the key of its first ticket: the last block that begins at or before the key.
async function find(ticket) {
  const index = await (await fetched("ranks/index.json")).json();
  const key = await keyOf(words.seed, ticket);
  let at = index.blocks.findIndex(([, first]) => first > key);
  at = (at < 0 ? index.blocks.length : at) - 1;
  if (at < 0 || ticket.length !== index.width) return { key };
  const letters = await (await fetched(`ranks/${at}.txt`)).text();
  for (let place = 0; place * index.width < letters.length; place++) {
    if (letters.startsWith(ticket, place * index.width)) {
      return { key, rank: index.blocks[at][0] + place, entrants: index.entrants };
    }
  }
  return { key };
}

function show(kind, big, lines) {
  const box = document.createElement("div");
  box.className = `result ${kind}`;
  const first = document.createElement("div");
  first.className = "big";
  first.textContent = big;
  box.append(first);
  for (const [name, value] of lines) {
    const line = document.createElement("p");
    line.append(`${name} `);
    if (value) {
      const code = document.createElement("code");
      code.textContent = value;
      line.append(code);
    }
    box.append(line);
  }
  output.replaceChildren(box);
}

async function won(rank, ticket) {
  // Below the last rank of everybody's seats a rank may still have a seat of its own stratum: winners.csv decides.
  if (rank > Number(words.last)) return false;
  const text = await (await fetched("winners.csv")).text();
  return text.includes(`\n${rank},${ticket},`);
}

if (form) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const ticket = tidy(form.elements.ticket.value);
    if (!ticket) return;
    form.elements.ticket.value = ticket;
    try {
      const found = await find(ticket);
      const sum = [`HMAC-SHA256(seed, ${ticket}) =`, found.key];
      if (!found.rank) {
        show("none", words.none, [[words.nonehint, ""], sum]);
        return;
      }
      const selected = await won(found.rank, ticket);
      const big = words.rank.replace("{rank}", number(found.rank)).replace("{entrants}", number(found.entrants));
      show(selected ? "won" : "", big, [[selected ? words.won : words.reserve, ""], sum, ["seed =", words.seed]]);
    } catch (error) {
      show("none", words.trouble, []);
    }
  });
}
