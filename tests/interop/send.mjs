// Sends the messages of a file (JSON: a list of texts) with npm's node-hl7-client over one
// connection, and prints the answers as JSON. Usage: node send.mjs PORT FILE

import { once } from "node:events";
import { readFileSync } from "node:fs";
import { Client, Message } from "node-hl7-client";

const [port, file] = process.argv.slice(2);
const texts = JSON.parse(readFileSync(file, "utf8"));
const answers = [];
let answered = () => {};

const client = new Client({ host: "127.0.0.1" });
const connection = client.createConnection({ port: Number(port) }, (response) => {
  const message = response.getMessage();
  answers.push([message.get("MSA.1").toString(), message.get("MSA.2").toString()]);
  answered();
});
connection.on("data.error", (error) => { throw error; });
// A message that is handed over sooner makes the client open a second connection.
await once(connection, "connect");
for (const text of texts) {
  const answer = new Promise((resolve) => { answered = resolve; });
  await connection.sendMessage(new Message({ text }));
  await answer;
}
process.stdout.write(JSON.stringify(answers) + "\n");
await connection.close();
