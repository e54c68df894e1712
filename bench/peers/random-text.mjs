import { randomBytes } from "node:crypto";

/** Random, so that no store makes it smaller: 6 bits a character, and nothing repeats. */
export const randomText = (characters) =>
  randomBytes(Math.ceil((characters * 3) / 4))
    .toString("base64")
    .slice(0, characters);
