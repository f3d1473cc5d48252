// Search as you type: what holds all of the words stays.
const search = document.getElementById("find");
const entries = document.querySelectorAll("[data-find]");

function filter() {
  const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const entry of entries) {
    entry.hidden = !words.every((word) => entry.dataset.find.includes(word));
    if (!entry.hidden) shown++;
  }
  for (const section of document.querySelectorAll("section")) {
    section.hidden = !section.querySelector("[data-find]:not([hidden])");
  }
  document.getElementById("nothing-found").hidden = shown > 0;
}

// /docs?find=WORDS is a link to a search.
search.value = new URLSearchParams(location.search).get("find") ?? "";
search.addEventListener("input", filter);
filter();
