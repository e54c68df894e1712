import { BSON } from "mongodb";

export type Document = Record<string, unknown>;

/*
 * The two messages that the official driver sends: OP_QUERY for its first hello, OP_MSG for all else.
 * Anything that this file does not know is an error, never skipped.
 */
const OP_REPLY = 1;
const OP_QUERY = 2004;
const OP_MSG = 2013;
const HEADER_BYTES = 16;
const MORE_TO_COME = 2;
const EXHAUST_ALLOWED = 0x10000;

export interface Request {
  readonly id: number;
  readonly legacy: boolean;
  /** Nobody waits for an answer. */
  readonly silent: boolean;
  readonly command: Document;
}

const parse = (bytes: Uint8Array): Document =>
  BSON.deserialize(bytes, { promoteValues: true, promoteLongs: true }) as Document;

const documentAt = (bytes: Buffer, at: number): { readonly document: Document; readonly end: number } => {
  const end = at + bytes.readInt32LE(at);
  return { document: parse(bytes.subarray(at, end)), end };
};

/** Cuts whole messages off what has arrived. A large one comes in hundreds of pieces, which are put together once. */
export class Framer {
  #pieces: Buffer[] = [];
  #bytes = 0;

  push(chunk: Buffer): readonly Request[] {
    this.#pieces.push(chunk);
    this.#bytes += chunk.length;
    const requests: Request[] = [];
    for (let length = this.#next(); length !== undefined && this.#bytes >= length; length = this.#next()) {
      const [all = Buffer.alloc(0)] = this.#pieces.length === 1 ? this.#pieces : [Buffer.concat(this.#pieces)];
      requests.push(requestIn(all.subarray(0, length)));
      this.#pieces = [all.subarray(length)];
      this.#bytes -= length;
    }
    return requests;
  }

  /** Length of the message that has begun to arrive. */
  #next(): number | undefined {
    if (this.#bytes < HEADER_BYTES) return undefined;
    const [first = Buffer.alloc(0)] = this.#pieces;
    if (first.length < 4) this.#pieces = [Buffer.concat(this.#pieces)];
    return this.#pieces[0]?.readInt32LE(0);
  }
}

function requestIn(message: Buffer): Request {
  const id = message.readInt32LE(4);
  const operation = message.readInt32LE(12);
  if (operation === OP_QUERY) {
    const afterName = message.indexOf(0, HEADER_BYTES + 4) + 1;
    return { id, legacy: true, silent: false, command: documentAt(message, afterName + 8).document };
  }
  if (operation !== OP_MSG) throw new Error(`the double does not speak operation ${operation}`);
  const flags = message.readUInt32LE(HEADER_BYTES);
  if ((flags & ~(EXHAUST_ALLOWED | MORE_TO_COME)) !== 0) throw new Error(`the double does not know flags ${flags}`);
  return { id, legacy: false, silent: (flags & MORE_TO_COME) !== 0, command: sectionsIn(message) };
}

function sectionsIn(message: Buffer): Document {
  let command: Document = {};
  for (let at = HEADER_BYTES + 4; at < message.length; ) {
    const kind = message[at];
    at += 1;
    if (kind === 0) {
      const { document, end } = documentAt(message, at);
      command = { ...document, ...command };
      at = end;
      continue;
    }
    if (kind !== 1) throw new Error(`the double does not know sections of kind ${kind}`);
    const end = at + message.readInt32LE(at);
    const afterName = message.indexOf(0, at + 4) + 1;
    const documents: Document[] = [];
    for (let next = afterName; next < end; ) {
      const found = documentAt(message, next);
      documents.push(found.document);
      next = found.end;
    }
    command = { ...command, [message.toString("utf8", at + 4, afterName - 1)]: documents };
    at = end;
  }
  return command;
}

export function replyTo({ id, legacy }: Request, answer: Document, number: number): Buffer {
  const body = BSON.serialize(answer, { ignoreUndefined: true });
  const between = legacy ? 20 : 5;
  const reply = Buffer.alloc(HEADER_BYTES + between + body.length);
  reply.writeInt32LE(reply.length, 0);
  reply.writeInt32LE(number, 4);
  reply.writeInt32LE(id, 8);
  reply.writeInt32LE(legacy ? OP_REPLY : OP_MSG, 12);
  if (legacy) reply.writeInt32LE(1, HEADER_BYTES + 16); // one document
  reply.set(body, HEADER_BYTES + between);
  return reply;
}

export const sizeOf = (document: Document): number => BSON.calculateObjectSize(document);
