// What happens when somebody chooses a model, a file or the microphone.

import { readAudio } from "./audio.js";
import { Engine } from "./engine.js";
import { Microphone } from "./microphone.js";
import { joined } from "./resample.js";
import {
  beginResult,
  find,
  showError,
  showLevel,
  showModel,
  showPartial,
  showResult,
  showStatus,
} from "./view.js";

const engine = new Engine((text) => showPartial(text));
let models = [];
let model = null;
let listening = null; // the open microphone and what it has heard

async function start() {
  const response = await fetch("models.json").catch(() => null);
  if (!response?.ok) throw new Error("models.json cannot be fetched: copy the whole folder to the server.");
  const content = await response.json();
  models = content.models;
  find("made-by").textContent = content.made_by;
  find("model").replaceChildren(...models.map((one, n) => new Option(one.label, n)));
  await useModel(0);
}

async function useModel(number) {
  model = null;
  showStatus("Loading the model…");
  await engine.load(models[number]);
  model = models[number];
  showModel(model);
  showStatus("Ready.");
}

async function useFile(file) {
  showStatus(`Reading ${file.name}…`);
  const { samples, notes } = await readAudio(file, model.sample_rate);
  beginResult(file.name);
  showStatus("Recognising…");
  await finish({ name: file.name, samples, notes, file }, () => engine.recognise(samples));
}

/** Recognise, and show what comes out. */
async function finish(heard, recognise) {
  const { result: parts, seconds: computing } = await recognise();
  showResult({ ...heard, parts, computing }, model);
  showStatus("Ready.");
}

async function startListening() {
  showStatus("Waiting for the microphone…");
  await engine.call("begin");
  const blocks = [];
  const failed = [];
  const microphone = await Microphone.open(model.sample_rate, (samples) => {
    blocks.push(samples);
    showLevel(samples);
    // Calls are carried out one after the other, so the end waits for all of them.
    if (model.streaming) engine.call("block", { samples }).catch((error) => failed.push(error));
  });
  listening = { microphone, blocks, failed };
  beginResult("Microphone");
  find("listen").textContent = "Stop";
  find("listen").setAttribute("aria-pressed", "true");
  find("level").hidden = false;
  showStatus("Listening… press Stop when you have finished.");
}

async function stopListening() {
  const { microphone, blocks, failed } = listening;
  listening = null;
  find("listen").textContent = "Use the microphone";
  find("listen").setAttribute("aria-pressed", "false");
  find("level").hidden = true;
  showStatus("Recognising…");
  await microphone.close();
  const samples = joined(blocks);
  await finish({ name: "Microphone", samples, notes: [], file: null }, () =>
    model.streaming ? engine.call("end") : engine.recognise(samples),
  );
  if (failed.length) throw failed[0];
}

/** Do something that takes a while: nothing else may be started, errors are shown. */
async function busy(work) {
  showError("");
  allow(false);
  try {
    await work();
  } catch (error) {
    showStatus("");
    showError(error.message);
  }
  allow(true);
}

function allow(free) {
  const loaded = model !== null;
  find("choose").disabled = !free || !loaded || listening !== null;
  find("listen").disabled = !free || !loaded;
  find("model").disabled = !free || models.length < 2 || listening !== null;
  document.body.dataset.state = free ? (listening ? "listening" : "ready") : "busy";
}

function isFree() {
  return document.body.dataset.state === "ready" && model !== null;
}

find("model").addEventListener("change", (event) => busy(() => useModel(event.target.value)));
find("choose").addEventListener("click", () => find("file").click());
find("file").addEventListener("change", ({ target }) => {
  const [file] = target.files;
  target.value = ""; // so that the same file may be chosen again
  if (file) busy(() => useFile(file));
});
find("listen").addEventListener("click", () => busy(listening ? stopListening : startListening));
find("copy").addEventListener("click", () =>
  navigator.clipboard
    .writeText(find("text").textContent)
    .then(() => showStatus("The text was copied."))
    .catch(() => showError("The browser does not allow copying here: select the text instead.")),
);
for (const name of ["dragover", "dragleave", "drop"]) {
  document.addEventListener(name, (event) => {
    event.preventDefault();
    document.body.classList.toggle("dragging", name === "dragover");
    const file = name === "drop" ? event.dataTransfer.files[0] : null;
    if (file && isFree()) busy(() => useFile(file));
  });
}
busy(start);
