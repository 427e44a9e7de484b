// The page: sends queries to the endpoint and passes the Arrow answer to Perspective's viewer, as a table or chart.
import { ready, worker } from "/viewer/perspective-anywidget.js";

const ROWS = 100_000;
const element = (id) => document.getElementById(id);
const [sql, run, stop, csv, problem, outcome, status] =
  ["sql", "run", "stop", "csv", "problem", "outcome", "status"].map(element);

// A link that opens a session has a token after `#`; with a session it is not needed.
if (location.hash.startsWith("#token=")) history.replaceState(null, "", location.pathname);

async function ask(path, options = {}) {
  const answer = await fetch(path, options);
  if (answer.ok) return answer;
  const body = await answer.json().catch(() => ({ message: answer.statusText }));
  if (answer.status === 401) location.reload(); // the session has ended: show the login page
  throw new Error(body.message);
}

function askSql(statement, format, signal) {
  return ask(`/api/sql?format=${format}&rows=${ROWS}&spreadsheet=${format === "csv"}`, { method: "POST", body: statement, signal });
}

let viewer, client, table, waiting, asked = 0;

async function show(statement, chart, title = "Answer") {
  problem.hidden = true;
  outcome.textContent = "Asking …";
  run.disabled = true;
  stop.hidden = false;
  waiting = new AbortController();
  try {
    const answer = await askSql(statement, "arrow", waiting.signal);
    const [rows, truncated, elapsed, snapshot] =
      ["x-rows", "x-truncated", "x-elapsed-ms", "x-snapshot"].map((name) => answer.headers.get(name));
    const former = { viewer, table };
    const name = `answer_${asked++}`;
    table = await client.table(await answer.arrayBuffer(), { name });
    // A new viewer for each answer: a reused chart would look for the columns of the previous answer.
    viewer = document.createElement("perspective-viewer");
    element("answer").replaceChildren(viewer);
    await viewer.load(client);
    await viewer.restore({ table: name, title, plugin: "Datagrid", group_by: [], split_by: [], sort: [], filter: [],
      expressions: {}, columns: await table.columns(), aggregates: {}, settings: false, theme: "Pro Light", ...chart });
    await former.viewer?.delete();
    await former.table?.delete();
    const count = Number(rows).toLocaleString("en");
    outcome.textContent = `${truncated === "true" ? "The first " : ""}${count} rows in ${elapsed} ms, as of snapshot ${snapshot}`;
  } catch (error) {
    outcome.textContent = "";
    problem.textContent = error.name === "AbortError" ? "You stopped waiting for the answer." : error.message;
    problem.hidden = false;
  } finally {
    run.disabled = false;
    stop.hidden = true;
  }
}

async function download() {
  problem.hidden = true;
  try {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await (await askSql(sql.value, "csv")).blob());
    link.download = "headrace.csv";
    link.click();
    URL.revokeObjectURL(link.href);
  } catch (error) {
    problem.textContent = error.message;
    problem.hidden = false;
  }
}

const DOMAINS = { ecommerce: "Shop", data_science: "Voices and weather", operations: "Operations" };

async function listExamples() {
  const examples = await (await fetch("/api/examples")).json();
  for (const [name, title] of Object.entries(DOMAINS)) {
    element("examples").append(made("h3", title));
    for (const example of examples.filter((each) => each.domain === name)) {
      const button = made("button", example.title);
      button.onclick = () => {
        document.querySelector("nav [aria-current]")?.removeAttribute("aria-current");
        button.setAttribute("aria-current", "true");
        sql.value = example.sql;
        show(example.sql, example.chart, example.title);
      };
      element("examples").append(button);
    }
  }
}

async function listTables() {
  const { rows } = await (await ask("/api/tables")).json();
  element("tables").replaceChildren(...rows.map(([name, description, columns]) => {
    const details = document.createElement("details");
    const terms = columns.flatMap((column) => {
      const term = made("dt", column.name);
      term.append(" ", made("small", column.type));
      return [term, made("dd", column.description ?? "")];
    });
    const list = document.createElement("dl");
    list.append(...terms);
    const look = made("button", "Look inside");
    look.onclick = () => {
      sql.value = `from ${name} limit 1000`;
      show(sql.value, {}, name);
    };
    details.append(made("summary", name), made("p", description ?? ""), list, look);
    details.dataset.words = [name, description, ...columns.map((column) => column.name)].join(" ").toLowerCase();
    return details;
  }));
}

function made(tag, text) {
  const element = document.createElement(tag);
  element.textContent = text;
  return element;
}

element("ask").onsubmit = (event) => {
  event.preventDefault();
  show(sql.value, {});
};
sql.onkeydown = (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) element("ask").requestSubmit();
};
stop.onclick = () => waiting.abort();
csv.onclick = download;
element("find").oninput = (event) => {
  const words = event.target.value.toLowerCase();
  for (const details of element("tables").children) details.hidden = !details.dataset.words.includes(words);
};
await listExamples();
await ready;
client = await worker();
status.textContent = "";
await listTables().catch((error) => { status.textContent = error.message; });
