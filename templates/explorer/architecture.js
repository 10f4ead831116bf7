"use strict";
// Shows all of a layer beside the drawing. Texts are set as text, never as markup.
(() => {
  const cards = JSON.parse(document.getElementById("cards").textContent);
  const boxes = [...document.querySelectorAll("[data-card]")];
  let kept = null;

  const set = (id, text) => { document.getElementById(id).textContent = text; };

  function fill(id, pairs) {
    const list = document.getElementById(id);
    list.replaceChildren();
    for (const [name, value] of pairs) {
      const term = document.createElement("dt");
      const text = document.createElement("dd");
      term.textContent = name;
      text.textContent = value;
      list.append(term, text);
    }
  }

  function show(box) {
    const card = cards[box.dataset.card];
    document.getElementById("hint").hidden = true;
    document.getElementById("details").hidden = false;
    set("type", card.type);
    set("names", card.names.join(", "));
    set("doc", card.doc);
    fill("facts", [
      ...card.inputs.map((shape) => ["input", shape]),
      ["output", card.output],
      ...card.heads.map((heads) => ["attention", heads]),
      ["line of the file", card.line],
    ]);
    fill("params", card.params.length ? card.params : [["none", ""]]);
    const weights = card.weights.map(([name, shape, note]) => [name, note ? `${shape}, ${note}` : shape]);
    fill("weights", weights.length ? weights : [["none", ""]]);
    set("count", card.weights.length ? `${card.count} trainable numbers` : "");
  }

  function keep(box) {
    kept = kept === box ? null : box;
    boxes.forEach((one) => one.setAttribute("aria-pressed", String(one === kept)));
    show(box);
  }

  for (const box of boxes) {
    box.addEventListener("mouseenter", () => { if (!kept) show(box); });
    box.addEventListener("focus", () => { if (!kept) show(box); });
    box.addEventListener("click", () => keep(box));
    box.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      keep(box);
    });
  }
})();
