/* The stage's screen: shows what the server says, and tells it what the presenter wants. */
const last = {};
function send(wish) {
  return fetch("/do", { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(wish) });
}
function show(scene) {
  for (const [id, html] of Object.entries(scene.parts)) {
    if (last[id] !== html) document.getElementById(id).innerHTML = last[id] = html;
  }
  const frame = document.getElementById("phone");
  if (frame.dataset.key !== scene.phone.key) { frame.dataset.key = scene.phone.key; frame.src = scene.phone.url; }
  document.body.dataset.state = scene.state;
  history.replaceState(null, "", scene.address);
}
new EventSource("/events").onmessage = (event) => show(JSON.parse(event.data));
addEventListener("click", (event) => {
  const button = event.target.closest("[data-do]");
  if (button) send({ ...button.dataset });
});
addEventListener("keydown", (event) => {
  const wish = { ArrowRight: "next", PageDown: "next", ArrowLeft: "back", PageUp: "back" }[event.key];
  if (wish) { event.preventDefault(); send({ do: wish }); }
});
