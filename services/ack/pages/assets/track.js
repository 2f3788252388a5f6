// Keeps the tracking page up to date: follows its state, or asks for it where it cannot, and writes what has changed as text.
"use strict";
(() => {
  const sheet = document.getElementById("tracking");
  const every = 1500;
  const whenComplete = 15000;
  const longest = 30000;
  let etag = "";
  let wait = every;
  const treeEvery = 30000;
  let relayed;
  let growing = 0;

  const write = (element, text) => {
    if (element && element.textContent !== text) element.textContent = text;
  };

  // The picture of the relay tree stands on a page of its own, which works without a script.
  const drawTree = async () => {
    if (!relayed || document.hidden) return;
    const place = document.getElementById("tree-levels");
    const answer = await fetch(place.dataset.tree, { cache: "no-store", credentials: "omit" });
    if (!answer.ok) throw new Error(`tree: ${answer.status}`);
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    place.replaceChildren(...page.getElementById("tree-levels").childNodes);
  };

  const growTree = (pause) => {
    window.clearTimeout(growing);
    // One that fails is drawn at the next turn.
    growing = window.setTimeout(() => drawTree().catch(() => {}).then(() => growTree(treeEvery)), pause);
  };

  const show = (state) => {
    const badge = document.getElementById("progress");
    write(badge, state.progress_text);
    badge.className = `badge ${state.progress}`;
    let unknown = false;
    for (const [key, figure] of Object.entries(state.figures)) {
      // The first recall brings a figure that the page does not have yet.
      if (!document.getElementById(`figure-${key}`)) unknown = true;
      write(document.getElementById(`figure-${key}`), figure.value);
      const bar = document.getElementById(`bar-${key}`);
      if (bar) bar.value = figure.percent;
    }
    const crossed = document.getElementById("crossed");
    write(crossed, state.crossed);
    crossed.hidden = state.crossed === "";
    const relay = document.getElementById("relay");
    write(relay, state.relay);
    relay.hidden = state.relay === "";
    document.getElementById("tree-link").hidden = relay.hidden;
    // What the server has just counted it keeps for two seconds: asked a little later, it has counted anew.
    if (state.relay !== relayed) growTree(relayed === undefined ? 0 : 2500);
    relayed = state.relay;
    for (const line of state.lines) {
      const row = document.getElementById(`line-${line.key}`);
      if (!row) {
        unknown = true;
        continue;
      }
      const changed = row.dataset.state !== line.state;
      row.dataset.state = line.state;
      write(row.querySelector(".state"), line.state_th);
      write(row.querySelector(".state-en"), line.state_en);
      write(row.querySelector(".first"), line.stamp);
      write(row.querySelector(".marks"), line.marks);
      write(row.querySelector(".second-line"), line.note);
      write(row.querySelector(".relays"), line.relay);
      if (changed) {
        row.classList.remove("moved");
        void row.offsetWidth; // lets the highlight begin anew
        row.classList.add("moved");
      }
    }
    // Recipients that came after the page was opened have no row yet.
    if (unknown) window.location.reload();
    return state.progress === "complete" ? whenComplete : every;
  };

  const look = async () => {
    if (document.hidden) return every;
    const headers = etag ? { "If-None-Match": etag } : {};
    const answer = await fetch(sheet.dataset.state, { headers, cache: "no-store", credentials: "omit" });
    if (answer.status === 304) return wait;
    if (!answer.ok) throw new Error(`state: ${answer.status}`);
    etag = answer.headers.get("ETag") || "";
    return show(await answer.json());
  };

  const turn = async () => {
    try {
      wait = await look();
    } catch {
      wait = Math.min(wait * 2, longest);
    }
    window.setTimeout(turn, wait);
  };

  const ask = () => window.setTimeout(turn, every);

  const follow = () => {
    const stream = new EventSource(sheet.dataset.live);
    stream.addEventListener("state", (event) => show(JSON.parse(event.data)));
    // The browser comes back by itself after a break; what it is refused, it does not try again.
    stream.addEventListener("error", () => {
      if (stream.readyState === EventSource.CLOSED) ask();
    });
  };

  if ("EventSource" in window) follow();
  else ask();
})();
