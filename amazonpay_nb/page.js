/* In a frame: tell the page around it how high this page is, which it cannot see, whether the buyer is back or tries
   again, and when somebody presses a clicker's keys. */
(function () {
  if (parent === window) return;
  function tell() {
    const style = document.body.style, root = document.documentElement;
    style.minHeight = 0;
    const height = Math.ceil(root.getBoundingClientRect().height);
    style.minHeight = "";
    parent.postMessage({ amazonPayPage: height, back: "back" in root.dataset }, "*");
  }
  if ("again" in document.documentElement.dataset) parent.postMessage({ amazonPayAgain: true }, "*");
  addEventListener("keydown", (event) => {
    if (["PageDown", "PageUp"].includes(event.key)) parent.postMessage({ amazonPayKey: event.key }, "*");
  });
  addEventListener("message", (event) => event.source === parent && tell());
  addEventListener("load", () => new ResizeObserver(tell).observe(document.body));
})();

/* A form is sent once: the second press of a double click would take the place of the first one's way to the shop. */
(function () {
  const pause = 30000;  // milliseconds; after it, whoever presses again has stopped the first one, or has no answer
  let sent = -pause;
  addEventListener("submit", (event) => {
    if (event.timeStamp < sent + pause) event.preventDefault();
    else sent = event.timeStamp;
  });
  addEventListener("pageshow", (event) => { if (event.persisted) sent = -pause; });  // back, it is as it was left
})();
