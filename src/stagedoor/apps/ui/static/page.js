// The pages work without this. It shows times as people say them, closes menus, and searches a static site.
"use strict";
(() => {
  document.documentElement.classList.add("scripted");
  const spans = [[31536000, "year"], [2592000, "month"], [86400, "day"], [3600, "hour"], [60, "minute"]];
  const words = new Intl.RelativeTimeFormat("en", { numeric: "auto" });
  for (const time of document.querySelectorAll("time[datetime]")) {
    const at = new Date(time.dateTime);
    const seconds = (at - Date.now()) / 1000;
    const [size, unit] = spans.find(([length]) => Math.abs(seconds) >= length) || [1, "second"];
    time.title = `${time.textContent} UTC, ${at.toLocaleString()}`;
    if (time.closest("[data-relative]")) time.textContent = words.format(Math.round(seconds / size), unit);
  }
  const menus = document.querySelectorAll("details.menu");
  const close = (but) => menus.forEach((menu) => { if (menu !== but) menu.open = false; });
  document.addEventListener("click", (event) => close(event.target.closest("details.menu")));
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      const open = [...menus].find((menu) => menu.open);
      close(null);
      if (open) open.querySelector("summary").focus();
    }
    const field = document.querySelector("input[type=search]");
    if (event.key === "/" && field && !/^(input|textarea|select)$/i.test(document.activeElement.tagName)) {
      event.preventDefault();
      field.focus();
    }
  });
  for (const form of document.querySelectorAll("form[method=post]")) {
    form.addEventListener("submit", (event) => {
      if (form.dataset.sent) event.preventDefault();
      form.dataset.sent = "yes";
    });
  }
  for (const chooser of document.querySelectorAll("input[data-into]")) {
    chooser.addEventListener("change", async () => {
      const [file] = chooser.files;
      if (file) document.getElementById(chooser.dataset.into).value = await file.text();
    });
  }
  for (const select of document.querySelectorAll("select[data-submit]")) {
    select.addEventListener("change", () => select.form.requestSubmit());
  }

  // --- a static site: the names and tags of all models are in search.js beside the list
  const models = window.stagedoorModels;
  const field = document.querySelector("#site-search");
  const body = document.querySelector("#rows");
  if (!models || !field || !body) return;
  const first = [...body.children];
  const cell = (row, text, url, name) => {
    const made = row.insertCell();
    if (name) made.className = name;
    if (url) {
      const link = document.createElement("a");
      link.href = url;
      link.textContent = text;
      made.append(link);
    } else made.textContent = text;
  };
  const shows = (model) => {
    const row = document.createElement("tr");
    cell(row, model.name, model.url, "name");
    cell(row, model.latest || "–", "", "phone-off");
    cell(row, model.staging || "–");
    cell(row, model.production || "–");
    cell(row, model.owners, "", "phone-off");
    cell(row, model.updated, "", "phone-off");
    cell(row, model.tags.join("  "), "", "phone-off");
    cell(row, "");
    return row;
  };
  const says = document.querySelector("#site-found");
  field.addEventListener("input", () => {
    const wanted = field.value.toLowerCase().split(/\s+/).filter(Boolean);
    if (!wanted.length) {
      body.replaceChildren(...first);
      says.textContent = "";
      return;
    }
    const text = (model) => `${model.name} ${model.tags.join(" ")}`.toLowerCase();
    const found = models.filter((model) => wanted.every((word) => text(model).includes(word)));
    body.replaceChildren(...found.slice(0, 200).map(shows));
    says.textContent = found.length === 1 ? "1 model" : `${found.length} models`;
  });
})();
