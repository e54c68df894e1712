/** An undirected weighted graph: for each node, its neighbours and how strongly it is tied to each. */
export type Graph = readonly ReadonlyMap<number, number>[];

const DAMPING = 0.85;
const MAX_ITERATIONS = 100;
/** Ranks are normalised to a mean of 1, so this is a ten-thousandth of an average node. */
const TOLERANCE = 1e-4;

/**
 * PageRank over a weighted graph, the heart of TextRank: a word or sentence matters when others that matter resemble it.
 * Returns one rank per node, 1 on average. A node without neighbours gets 1 - 0.85.
 */
export function pageRank(graph: Graph): number[] {
  const strength = graph.map((neighbours) => [...neighbours.values()].reduce((sum, weight) => sum + weight, 0));
  let ranks = graph.map(() => 1);
  for (let iteration = 0; iteration < MAX_ITERATIONS; iteration += 1) {
    const next = graph.map((neighbours) => {
      let inflow = 0;
      for (const [node, weight] of neighbours) inflow += (weight / (strength[node] ?? 1)) * (ranks[node] ?? 0);
      return 1 - DAMPING + DAMPING * inflow;
    });
    const moved = next.some((rank, node) => Math.abs(rank - (ranks[node] ?? 0)) > TOLERANCE);
    ranks = next;
    if (!moved) break;
  }
  return ranks;
}
