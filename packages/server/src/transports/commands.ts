/** Commands by POST: the upstream of SSE and polling, and of anything that speaks HTTP; called by the endpoint. */
import type { Identity } from '../ports/connection'
import type { Gateway } from '../ports/gateway'
import { type CompleteReply, jsonReply } from './reply'

/** Runs a JSON array of commands; the reply is the JSON array of their results, in order. Rejects with `invalid_request`. */
export async function executeCommands(
  gateway: Gateway,
  text: string,
  identity: Identity | null,
  address: string | null,
): Promise<CompleteReply> {
  return jsonReply(200, JSON.stringify(await gateway.execute(text, identity, address)))
}
