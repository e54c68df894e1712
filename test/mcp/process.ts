import { StdioServerTransport } from "@modelcontextprotocol/sdk/server/stdio.js";
import { ECHO, serverWith } from "./server.ts";

await serverWith([ECHO]).connect(new StdioServerTransport());
