import type { ClaimRequest, LeasedFiber } from "../../ports/queue.ts";
import { isUnavailable, type Member } from "./member.ts";

/**
 * Asks one shard after another until the limit is reached: a busy cluster asks one of them, and none gives more than there is room
 * for. What has been leased is answered whatever happens later: nobody else knows that it is held.
 */
export async function claimAround(
  members: readonly Member[],
  { limit, ...request }: ClaimRequest,
): Promise<readonly LeasedFiber[]> {
  const claimed: LeasedFiber[] = [];
  const up = members.filter(({ down }) => !down);
  const asked = up.length === 0 ? members : up;
  let failures = 0;
  for (const member of asked) {
    if (claimed.length >= limit) break;
    try {
      const room = limit - claimed.length;
      claimed.push(...(await member.ask((store) => store.claim({ ...request, limit: room }))));
    } catch (error) {
      failures += 1;
      if (claimed.length > 0) break;
      if (!isUnavailable(error) || failures === asked.length) throw error;
    }
  }
  return claimed;
}
