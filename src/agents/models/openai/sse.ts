/**
 * The data of server-sent events, one by one, from text that comes in any pieces. Of the format only what these servers use: names,
 * ids and comments are passed over, an event's lines of data are joined.
 */
export async function* eventData(pieces: AsyncIterable<string>): AsyncGenerator<string, void> {
  let rest = "";
  let data: string[] = [];
  for await (const piece of pieces) {
    rest += piece;
    // A lone CR at the end may be the first half of a CRLF.
    const lines = rest.split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop() ?? "";
    for (const line of lines) {
      if (line !== "") collect(line, data);
      else if (data.length > 0) {
        yield data.join("\n");
        data = [];
      }
    }
  }
  collect(rest, data);
  if (data.length > 0) yield data.join("\n"); // some servers forget the last empty line
}

function collect(line: string, data: string[]): void {
  if (line.startsWith("data:")) data.push(line.slice(5).trim());
}
