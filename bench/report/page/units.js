"use strict";
// Numbers as people read them, as bench/units.py writes them.

const UNITS_OF_TIME = [["days", 2 * 86400, 86400], ["h", 2 * 3600, 3600], ["min", 120, 60], ["s", 1, 1], ["ms", 1e-3, 1e-3], ["µs", 0, 1e-6]];

function threeDigits(number) {
  const rounded = Number(number.toPrecision(3));
  if (rounded === 0) return "0";
  const digits = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(rounded))));
  return rounded < 1000 ? number.toFixed(digits) : Math.round(number).toLocaleString("en-US");
}

function secondsText(seconds) {
  if (seconds === 0) return "0 s";
  const rounded = Number(seconds.toPrecision(3));
  const [unit, , size] = UNITS_OF_TIME.find(([, least]) => rounded >= least);
  return `${threeDigits(seconds / size)} ${unit}`;
}

// An element with attributes and children; texts stay texts.
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}
