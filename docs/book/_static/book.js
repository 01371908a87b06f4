// What the theme leaves out for those who read with a keyboard or a screen reader.
document.addEventListener("DOMContentLoaded", () => {
  const all = (selector, change) => document.querySelectorAll(selector).forEach(change);
  all(".caption[role=heading]", (caption) => caption.setAttribute("aria-level", "2"));
  all(".sidebar-drawer", (part) => part.setAttribute("aria-label", "The book"));
  all(".toc-drawer", (part) => part.setAttribute("aria-label", "This page"));
  all("th", (cell) => cell.textContent.trim() || cell.replaceWith(document.createElement("td")));
  all("td code", (code) => code.classList.toggle("long", code.textContent.length > 44));
  if (!document.querySelector("h1")) { // the page of the search
    document.querySelector("article").insertAdjacentHTML("afterbegin", "<h1 class='visually-hidden'>Search</h1>");
  }
  // Whatever scrolls sideways can be reached.
  all('article pre, .table-wrapper, .cell_output > .output, p:has(> img[src*="states-"])', (part) => part.setAttribute("tabindex", "0"));
});
