import { EventEmitter } from "node:events";
import { expect, it } from "vitest";
import { connectionOf, type IoredisClient } from "../../src/stores/redis/client.ts";

/** Behaves as ioredis does when its connection comes again: subscribes on its own, and drops the promise. */
class Driver extends EventEmitter {
  readonly asked: string[] = [];
  answer: () => Promise<unknown> = async () => 1;

  subscribe(channel: string): Promise<unknown> {
    this.asked.push(channel);
    return this.answer();
  }

  async unsubscribe(): Promise<unknown> {
    return 0;
  }

  disconnect(): void {}

  comeAgain(channel: string): void {
    void this.subscribe(channel);
    this.emit("ready");
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

it("goes on when the connection to hear is lost again while the driver subscribes, and asks once more with the next", async () => {
  const driver = new Driver();
  const client: IoredisClient = { call: async () => null, duplicate: () => driver };
  const heard: string[] = [];
  const leave = await connectionOf(client).hear("news", (text) => heard.push(text));
  driver.answer = () => Promise.reject(new Error("the connection is lost"));
  driver.comeAgain("news");
  await turn(); // a rejection that nobody handles fails the test
  driver.answer = async () => 1;
  const before = driver.asked.length;
  driver.emit("ready"); // the driver has forgotten the channel by now
  expect(driver.asked.slice(before)).toEqual(["news"]);
  driver.emit("message", "news", "hello");
  expect(heard).toEqual(["hello"]);
  await leave();
});
