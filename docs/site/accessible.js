// What the theme leaves out: a name of its search dialog, and tables that keys can move sideways.
window.addEventListener("load", () => {
  document.querySelector(".md-search").setAttribute("aria-label", "Search");
  for (const table of document.querySelectorAll(".md-typeset__scrollwrap")) table.tabIndex = 0;
});
