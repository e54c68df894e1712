import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { pages } from "./markdown.ts";
import { Project, programsOf } from "./programs.ts";

const documented = pages()
  .filter(({ path }) => path === "README.md" || path.startsWith("docs/"))
  .map((page) => ({ path: page.path, programs: programsOf(page) }))
  .filter(({ programs }) => programs.length > 0);

it("finds the programs of the README", () => {
  const names = documented.find(({ path }) => path === "README.md")?.programs.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(["hello", "order"]));
});

describe.each(documented)("the programs of $path", ({ programs }) => {
  let project: Project;
  beforeAll(() => {
    project = new Project(programs);
  });
  afterAll(() => project[Symbol.dispose]());

  it("compile", () => {
    expect(project.compile()).toBe("");
  });

  it.each(programs.filter(({ runs }) => runs))("run: $name, line $line", (program) => {
    const { status, stdout, stderr } = project.run(program);
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    if (program.prints !== undefined) expect(stdout).toBe(program.prints);
  });
});
