// The elements of the page, and what is written into them.

import { asJson, speedOf, wholeText } from "./transcript.js";
import { waveFile } from "./sound_file.js";

const UNSURE = 0.6;

export const find = (id) => document.getElementById(id);

let urls = [];

function link(element, blob, name) {
  const url = URL.createObjectURL(blob);
  urls.push(url);
  element.href = url;
  if (name) element.download = name;
  return url;
}

export function showStatus(text) {
  find("status").textContent = text;
}

export function showError(text) {
  find("error").textContent = text;
  find("error").hidden = !text;
}

export function showLevel(samples) {
  let power = 0;
  for (const sample of samples) power += sample * sample;
  const decibel = 10 * Math.log10(power / Math.max(1, samples.length) + 1e-10);
  const width = Math.min(1, Math.max(0, (decibel + 60) / 60));
  find("level").firstElementChild.style.transform = `scaleX(${width})`;
}

export function showModel(model) {
  const [size, unit] = model.bytes < 1e6 ? [model.bytes / 1e3, "kB"] : [model.bytes / 1e6, "MB"];
  const facts = [
    `${(model.parameters / 1e6).toFixed(2)} million parameters`,
    `${size.toFixed(unit === "kB" ? 0 : 1)} ${unit}`,
    `${model.sample_rate / 1000} kHz`,
    model.streaming ? "text appears while one speaks" : "text appears at the end",
  ];
  find("facts").textContent = facts.join(" · ");
}

/** Begin to show what is recognised in something. */
export function beginResult(name) {
  urls.forEach((url) => URL.revokeObjectURL(url));
  urls = [];
  find("result").hidden = false;
  find("final").hidden = true;
  find("source").textContent = name;
  showPartial("");
}

export function showPartial(text) {
  const element = find("text");
  element.classList.add("growing");
  // A screen reader reads it once it is final, not ten times a second.
  element.ariaBusy = "true";
  if (element.textContent !== text) element.textContent = text;
}

/**
 * @param {{name: string, samples: Float32Array, notes: string[], parts: object[],
 *     computing: number, file: ?File}} heard
 * @param {object} model
 */
export function showResult({ name, samples, notes, parts, computing, file }, model) {
  const seconds = samples.length / model.sample_rate;
  const words = parts.flatMap((part) => part.words);
  const text = wholeText(parts);
  find("final").hidden = false;
  find("text").classList.remove("growing");
  find("text").ariaBusy = "false";
  showText(words);
  find("speed").textContent = speedOf(seconds, computing);
  find("notes").replaceChildren(...notes.map((note) => made("li", note)));
  const stem = name.replace(/\.[^.]*$/, "");
  const saved = file ?? waveFile(samples, model.sample_rate);
  find("player").src = link(find("save-audio"), saved, `${stem}.wav`);
  find("save-audio").hidden = Boolean(file);
  link(find("save-text"), new Blob([`${text}\n`]), `${stem}.txt`);
  const json = JSON.stringify(asJson(name, seconds, parts, model, notes));
  link(find("save-words"), new Blob([`${json}\n`]), `${stem}.json`);
  find("word-count").textContent = words.length === 1 ? "1 word" : `${words.length} words`;
  find("about-confidence").textContent = model.calibrated
    ? "Confidence is the estimated probability that a word is right."
    : "Confidence was not calibrated for this model: most models are too sure of themselves.";
  find("words").replaceChildren(...words.map(wordRow));
}

function showText(words) {
  const text = find("text");
  if (!words.length) {
    text.replaceChildren(made("em", "No words were recognised."));
    return;
  }
  const pieces = words.map(({ word, confidence }) => {
    const piece = made("span", word);
    if (confidence < UNSURE) piece.className = "unsure";
    piece.title = `confidence ${percent(confidence)}`;
    return piece;
  });
  text.replaceChildren(...pieces.flatMap((piece, n) => (n && !words[n].glued ? [" ", piece] : [piece])));
}

function wordRow({ word, start, end, confidence }) {
  const row = document.createElement("tr");
  const play = made("button", word);
  play.type = "button";
  play.title = "Play from here";
  play.addEventListener("click", () => {
    find("player").currentTime = start;
    find("player").play();
  });
  const sure = made("td", "");
  const bar = made("span", "");
  bar.className = "bar";
  bar.ariaHidden = "true";
  const fill = made("i", "");
  fill.style.width = `${100 * confidence}%`;
  bar.append(fill);
  sure.append(bar, percent(confidence));
  if (confidence < UNSURE) sure.className = "unsure";
  const first = made("th", "");
  first.scope = "row";
  first.append(play);
  const times = [start, end].map((time) => made("td", time.toFixed(2)));
  times.forEach((cell) => (cell.className = "number"));
  row.append(first, ...times, sure);
  return row;
}

function percent(value) {
  return `${Math.round(100 * value)} %`;
}

function made(name, text) {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}
