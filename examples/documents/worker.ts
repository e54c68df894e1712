// A worker of the demo, as a process of its own: `node worker.ts <folder>`, where the folder holds the database.
// It works until it is killed, or until the process that started it is gone: then the channel between them closes.
import { filesIn, openWorker } from "./engine.ts";

const [folder] = process.argv.slice(2);
if (folder === undefined) throw new Error("expected the folder of the demo's database as the only argument");

const worker = openWorker(filesIn(folder));
await worker.open();
process.once("disconnect", () => {
  void worker.close().finally(() => process.exit(0));
});
