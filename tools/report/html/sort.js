"use strict";
(function () {
  var table = document.getElementById("fleet"), body = table.tBodies[0], heads = Array.from(table.tHead.rows[0].cells);
  function key(row, i) {
    var v = row.cells[i].getAttribute("data-v");
    return v === null ? row.cells[i].textContent.trim().toLowerCase() : Number(v);
  }
  heads.forEach(function (head, i) {
    var button = document.createElement("button");
    button.type = "button";
    button.append.apply(button, Array.from(head.childNodes));
    head.append(button);
    button.addEventListener("click", function () {
      var up = head.getAttribute("aria-sort") !== "ascending";
      heads.forEach(function (h) { h.removeAttribute("aria-sort"); });
      head.setAttribute("aria-sort", up ? "ascending" : "descending");
      Array.from(body.rows).sort(function (a, b) {
        var x = key(a, i), y = key(b, i);
        return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
      }).forEach(function (row) { body.append(row); });
    });
  });
  var filter = document.getElementById("filter"), input = filter.querySelector("input"), count = filter.querySelector("output");
  filter.hidden = false;
  input.addEventListener("input", function () {
    var want = input.value.trim().toLowerCase(), shown = 0;
    Array.from(body.rows).forEach(function (row) {
      row.hidden = row.textContent.toLowerCase().indexOf(want) < 0;
      shown += row.hidden ? 0 : 1;
    });
    count.textContent = want ? shown + " of " + body.rows.length : "";
  });
})();
